#!/usr/bin/env bash
# benches/ldap.sh ENTRIES: a whole pass over a directory of so many accounts and 200 groups, beside ldapsearch with the
# same pages, attributes and encryption, in turns; prints one JSON object. The figure to look at is pass_vs_ldapsearch.
# PASS names a program (connectors/ldap/examples/pass.rs) that is built already. `tests/systems/openldap.sh install` comes
# first.
set -euo pipefail
cd "$(dirname "$0")/.."
entries=${1:?usage: benches/ldap.sh ENTRIES}
turns=7 groups=200 page=1000

if [ -z "${PASS-}" ]; then
  cargo build --release --locked -q -p provost-ldap --example pass >&2
  PASS=${CARGO_TARGET_DIR:-target}/release/examples/pass
fi
work=$(mktemp -d)
trap 'tests/systems/openldap.sh stop "$work/server" || true; rm -rf "$work"' EXIT
chmod 755 "$work"

# Half of the accounts are in the first group, five in each of the others.
awk -v n="$entries" -v groups="$groups" 'BEGIN {
  for (i = 0; i < n; i++)
    printf "dn: uid=u%06d,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: u%06d\ncn: U %d\nsn: U\ngivenName: U\n" \
      "displayName: U %d\nmail: u%06d@example.org\ntitle: Engineer\ndepartmentNumber: D%d\nemployeeNumber: %d\n\n", i, i, i, i, i, i % 30, i
  for (g = 0; g < groups; g++) {
    printf "dn: cn=g%03d,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\n", g
    m = g ? 5 : n / 2
    for (i = 0; i < m; i++) printf "member: uid=u%06d,ou=people,dc=example,dc=org\n", (g * 7 + i) % n
    print ""
  }
}' >"$work/entries.ldif"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
SIZE_LIMIT=unlimited LDIF=$work/entries.ldif tests/systems/openldap.sh start "$work/server" "$port"
. "$work/server/env"

export LDAP_PASSWORD=$USER_PASSWORD LDAPTLS_CACERT=$CA_FILE
search() {
  ldapsearch -x -LLL -o ldif-wrap=no -E "pr=$page/noprompt" -H "$LDAPS_URL" -D "$USER_DN" -w "$USER_PASSWORD" "$@"
}
# What one read asks for.
both() {
  search -b "ou=people,$BASE_DN" '(objectClass=inetOrgPerson)' entryUUID uid pwdAccountLockedTime pwdEndTime cn sn givenName \
    displayName mail telephoneNumber mobile title departmentNumber employeeNumber description
  search -b "ou=groups,$BASE_DN" '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))' \
    objectClass cn entryUUID member uniqueMember memberUid
}
ours() { "$PASS" "$LDAPS_URL" "$USER_DN" "ou=people,$BASE_DN" "ou=groups,$BASE_DN" "$CA_FILE" "$page"; }
ours >/dev/null
[ "$(both | grep -c '^dn:')" = $((entries + groups)) ]
for _ in $(seq "$turns"); do
  ours >>"$work/ours"
  begun=$(date +%s.%N)
  both >/dev/null
  echo "$begun $(date +%s.%N)" >>"$work/theirs"
done

python3 - "$work" "$entries" "$groups" "$page" "$turns" <<'PY'
import json, statistics, sys
work, entries, groups, page, turns = sys.argv[1], *map(int, sys.argv[2:])
ours = [json.loads(line) for line in open(f"{work}/ours")]
assert all((o["accounts"], o["groups"]) == (entries, groups) for o in ours), ours
theirs = [end - begun for begun, end in (map(float, line.split()) for line in open(f"{work}/theirs"))]
ours = statistics.median(o["seconds"] for o in ours)
theirs = statistics.median(theirs)
print(json.dumps({
    "entries": entries, "groups": groups, "page_size": page, "turns": turns,
    "pass_seconds": round(ours, 3), "ldapsearch_seconds": round(theirs, 3),
    "pass_vs_ldapsearch": round(ours / theirs, 2),
}))
PY
