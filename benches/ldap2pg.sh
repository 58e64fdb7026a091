#!/usr/bin/env bash
# The peer of benches/postgres.sh, the last Python release of ldap2pg: ldap2pg.sh install | ldap2pg.sh run ARGS...
. "$(dirname "$0")/../tests/systems/lib.sh"

case "${1-}" in
  install)
    apt_install gcc libc6-dev libldap-dev libsasl2-dev
    py_install ldap2pg ldap2pg==5.9 python-ldap==3.4.4 psycopg2-binary==2.9.10 pyyaml==6.0.2
    ;;
  run) shift; exec "$LIVE_HOME/ldap2pg/bin/ldap2pg" "$@" ;;
  *) echo "usage: $0 install | run ARGS..." >&2; exit 2 ;;
esac
