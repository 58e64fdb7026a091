#!/usr/bin/env bash
# SCIM conformance testers against a running server: scim-testers.sh install | run URL TOKEN
# scim2-tester (RFC by RFC checks) and scim-sanity in its strict mode (a provisioning client's life cycle); both create
# and delete resources on the server. Exit status 0: both found nothing.
. "$(dirname "$0")/lib.sh"

case "${1-}:$#" in
  install:1) py_install scim-testers scim2-cli==0.6.0 scim2-tester==0.5.2 scim-sanity==0.7.4 ;;
  run:3)
    bin=$LIVE_HOME/scim-testers/bin rc=0
    SCIM_CLI_HEADERS="Authorization: Bearer $3" "$bin/scim2" --url "$2" test || rc=1
    "$bin/scim-sanity" probe "$2" --token "$3" --strict --i-accept-side-effects || rc=1
    exit $rc
    ;;
  *) echo "usage: $0 install | run URL TOKEN" >&2; exit 2 ;;
esac
