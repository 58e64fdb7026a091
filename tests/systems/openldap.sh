#!/usr/bin/env bash
# OpenLDAP slapd 2.5 (Debian): mdb, memberof + refint, ppolicy, syncprov; ldap:// with StartTLS
# on PORT, ldaps:// on PORT+1. Every operation is logged. SIZE_LIMIT (default 500, as slapd's own; or unlimited) holds
# for all but the rootdn. LDIF is a file of further entries.
. "$(dirname "$0")/lib.sh"

do_install() {
  echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections # no default database
  apt_install 'slapd=2.5.*' 'ldap-utils=2.5.*' openssl
}

do_start() {
  mkdir -p "$DIR/db" && make_cert
  cat >"$DIR/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload refint
moduleload ppolicy
moduleload syncprov
moduleload unique
pidfile $DIR/slapd.pid
TLSCACertificateFile $DIR/ca.pem
TLSCertificateFile $DIR/server.pem
TLSCertificateKeyFile $DIR/server.key
database config
rootdn cn=config
rootpw configpw
database mdb
suffix dc=example,dc=org
rootdn cn=admin,dc=example,dc=org
rootpw adminpw
directory $DIR/db
maxsize 4294967296
dbnosync
index objectClass,entryUUID,entryCSN eq
index uid,cn,member,uniqueMember,memberUid eq
limits dn.exact="cn=sync,dc=example,dc=org" size=${SIZE_LIMIT:-500}
access to attrs=userPassword by dn.exact="cn=sync,dc=example,dc=org" write by self write by anonymous auth by * none
access to dn.subtree="ou=people,dc=example,dc=org" by dn.exact="cn=blind,dc=example,dc=org" none by * break
access to * by dn.exact="cn=sync,dc=example,dc=org" write by users read
overlay memberof
memberof-refint true
overlay refint
refint_attributes member
overlay unique
unique_uri ldap:///?uid?sub
overlay ppolicy
ppolicy_default cn=default,ou=policies,dc=example,dc=org
overlay syncprov
syncprov-checkpoint 100 10
syncprov-sessionlog ${SESSION_LOG:-10000}
CONF
  cat >"$DIR/base.ldif" <<LDIF
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit

dn: ou=policies,dc=example,dc=org
objectClass: organizationalUnit

dn: cn=default,ou=policies,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
pwdAttribute: userPassword
pwdCheckQuality: 2
pwdMinLength: 8
pwdLockout: TRUE

dn: cn=sync,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: syncpw

dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: readerpw

dn: cn=blind,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: blindpw
LDIF
  slapadd -q -f "$DIR/slapd.conf" -l "$DIR/base.ldif"
  [ -z "${LDIF:-}" ] || slapadd -q -f "$DIR/slapd.conf" -l "$LDIF"
  chown -R openldap "$DIR"
  spawn /usr/sbin/slapd -f "$DIR/slapd.conf" -u openldap -g openldap -d stats \
    -h "ldap://127.0.0.1:$PORT ldaps://127.0.0.1:$((PORT + 1))"
  wait_for 20 ldapsearch -x -H "ldap://127.0.0.1:$PORT" -b '' -s base
  write_env URL="ldap://127.0.0.1:$PORT" LDAPS_URL="ldaps://127.0.0.1:$((PORT + 1))" CA_FILE="$DIR/ca.pem" \
    BASE_DN=dc=example,dc=org ADMIN_USER=cn=admin,dc=example,dc=org ADMIN_PASSWORD=adminpw \
    USER_DN=cn=sync,dc=example,dc=org USER_PASSWORD=syncpw
}

live "$@"
