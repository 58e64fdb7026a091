#!/usr/bin/env bash
# Runs independent SCIM suites against the embedded directory. Both must find nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
port=${PORT:-7699}
printf 'suite-token' >"$dir/token"
"${CARGO_TARGET_DIR:-target}/debug/provost" directory serve --data "$dir/directory.sqlite" --listen "127.0.0.1:$port" --token-file "$dir/token" >"$dir/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$dir"' EXIT
deadline=$((SECONDS + 30))
until curl -fsS -H 'Authorization: Bearer suite-token' "http://127.0.0.1:$port/scim/v2/ServiceProviderConfig" >/dev/null 2>&1; do
  kill -0 $server 2>/dev/null && [ $SECONDS -lt $deadline ] || { cat "$dir/log"; exit 1; }
  sleep 0.1
done
tests/systems/scim-testers.sh run "http://127.0.0.1:$port/scim/v2" suite-token
