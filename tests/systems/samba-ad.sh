#!/usr/bin/env bash
# Samba 4.17 (Debian) as an Active Directory domain controller, LDAP part only. Its ports are fixed,
# so it runs in a network namespace; socat brings ldap (389) to PORT and ldaps (636) to PORT+1.
. "$(dirname "$0")/lib.sh"

do_install() {
  apt_install 'samba=2:4.17.*' 'samba-ad-dc=2:4.17.*' 'samba-ad-provision=2:4.17.*' \
    'samba-dsdb-modules=2:4.17.*' 'samba-vfs-modules=2:4.17.*' 'winbind=2:4.17.*' krb5-config \
    'ldap-utils=2.5.*' openssl socat iproute2
}

do_start() {
  local ad=$DIR/ad
  mkdir -p "$ad/etc" && make_cert && chmod 600 "$DIR/server.key"
  cat >"$DIR/smb.conf" <<CONF
[global]
server services = ldap
interfaces = lo
bind interfaces only = yes
ldap server require strong auth = allow_sasl_over_tls
tls enabled = yes
tls cafile = $DIR/ca.pem
tls certfile = $DIR/server.pem
tls keyfile = $DIR/server.key
log file = $DIR/log.%m
pid directory = $ad
ncalrpc dir = $ad/ncalrpc
CONF
  unshare -n samba-tool domain provision -s "$DIR/smb.conf" --targetdir="$ad" --realm=EXAMPLE.ORG \
    --domain=EXAMPLE --server-role=dc --dns-backend=NONE --host-name=dc1 --host-ip=127.0.0.1 \
    --adminpass=Adm1n-pw >"$DIR/log" 2>&1 || { tail -20 "$DIR/log" >&2; return 1; }
  spawn unshare -n sh -c 'ip link set lo up && exec samba -i -M single -s "$0"' "$ad/etc/smb.conf"
  local ns; ns=$(cat "$DIR/pid")
  spawn socat "TCP-LISTEN:$PORT,bind=127.0.0.1,reuseaddr,fork" "EXEC:nsenter -t $ns -n socat - TCP\:127.0.0.1\:389"
  spawn socat "TCP-LISTEN:$((PORT + 1)),bind=127.0.0.1,reuseaddr,fork" "EXEC:nsenter -t $ns -n socat - TCP\:127.0.0.1\:636"
  wait_for 60 ldapsearch -x -H "ldap://127.0.0.1:$PORT" -b '' -s base
  write_env URL="ldap://127.0.0.1:$PORT" LDAPS_URL="ldaps://127.0.0.1:$((PORT + 1))" CA_FILE="$DIR/ca.pem" \
    BASE_DN=dc=example,dc=org ADMIN_USER=administrator@example.org ADMIN_PASSWORD=Adm1n-pw
}

live "$@"
