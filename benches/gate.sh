#!/usr/bin/env bash
# What deciding costs: benches/gate.sh OPERATIONS APPROVALS prints one JSON object.
#
# Makes, in memory, an organisation whose plan has OPERATIONS operations, a tenth of which need two signatures each, and
# APPROVALS signed statements that together agree to that tenth; docs/PERFORMANCE.md says what each figure means. GATE
# names a program that is built already.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 OPERATIONS APPROVALS" >&2; exit 2; }
cd "$(dirname "$0")/.."

if [ -n "${GATE-}" ]; then
  exec "$GATE" "$@"
fi
exec cargo bench --quiet -p provost --bench gate -- "$@"
