#!/usr/bin/env bash
# PostgreSQL 15 (Debian). Superuser over TCP with SCRAM, with and without TLS (DIR/ca.pem); unix socket in DIR.
. "$(dirname "$0")/lib.sh"
BIN=/usr/lib/postgresql/15/bin
SERVER_BIN=${POSTGRES_BIN:-$BIN} # a folder with initdb and postgres of another version
STOP_SIGNAL=INT # fast shutdown: do not wait for clients

do_install() {
  # No default cluster: the package's own hook would make one in /var/lib.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  apt_install 'postgresql-15=15.*' 'postgresql-client-15=15.*' openssl
}

do_start() {
  make_cert
  chmod 600 "$DIR/server.key"
  echo adminpw >"$DIR/pw" && chown -R postgres "$DIR"
  as postgres "$SERVER_BIN/initdb" -D "$DIR/data" -U admin --auth=scram-sha-256 \
    --pwfile="$DIR/pw" -E UTF8 --locale=C.UTF-8 --no-sync >"$DIR/log"
  spawn setpriv --reuid postgres --regid postgres --init-groups "$SERVER_BIN/postgres" -D "$DIR/data" \
    -p "$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$DIR" -c fsync=off \
    -c log_statement=all -c ssl=on -c ssl_cert_file="$DIR/server.pem" -c ssl_key_file="$DIR/server.key"
  wait_for 30 "$BIN/pg_isready" -h 127.0.0.1 -p "$PORT" -U admin
  write_env URL="postgresql://admin@127.0.0.1:$PORT/postgres" \
    HOST=127.0.0.1 PORT="$PORT" ADMIN_USER=admin ADMIN_PASSWORD=adminpw CA_FILE="$DIR/ca.pem"
}

live "$@"
