#!/usr/bin/env bash
# provost beside ldap2pg on one PostgreSQL: benches/postgres.sh ROLES MEMBERSHIPS prints one JSON object.
#
# Four fifths of ROLES are people with a login role, the others are group roles that are there before; MEMBERSHIPS are
# spread evenly. Both programs get the same fresh server, RUNS times in turn (3 by default): a first run that makes
# everything, and the same again with nothing to do. Figures are the peer's over ours, from medians; docs/PERFORMANCE.md
# says what each means. PROVOST names a program that is built already. `benches/ldap2pg.sh install` and
# `tests/systems/postgres.sh install` come first.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 ROLES MEMBERSHIPS" >&2; exit 2; }
cd "$(dirname "$0")/.."
if [ -z "${PROVOST-}" ]; then
  cargo build --quiet --release --locked -p provost --bin provost >&2
  PROVOST=${CARGO_TARGET_DIR:-target}/release/provost
fi
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'tests/systems/postgres.sh stop "$dir/server" 2>/dev/null || true; rm -rf "$dir"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

python3 - "$dir" "$1" "$2" "$port" <<'PYTHON'
import os, sys
dir, roles, memberships, port = sys.argv[1], *map(int, sys.argv[2:5])
users = roles * 4 // 5
groups = [f"g{n:05}" for n in range(roles - users)]
held = {f"u{n:06}": [] for n in range(users)}
names = list(held)
for n in range(memberships):  # round after round over the people, each time another group
    user, turn = n % users, n // users
    held[names[user]].append(groups[(user + 67 * turn) % len(groups)])
assert all(len(set(mine)) == len(mine) for mine in held.values()), "too many memberships for so few groups"

def write(path, text):
    path = f"{dir}/{path}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)

members = {group: [] for group in groups}
for user, mine in held.items():
    for group in mine:
        members[group].append(user)
write("ldap2pg.yml", f"""version: 5
postgres:
  databases_query: [postgres]
  schemas_query: [public]
  roles_blacklist_query: [admin, postgres, 'pg_*']
sync_map:
- roles:
  - {{options: LOGIN, names: [{", ".join(names)}]}}
""" + "".join(f"  - {{name: {group}, options: NOLOGIN, members: [{', '.join(who)}]}}\n" for group, who in members.items()))
write("groups.sql", "".join(f"CREATE ROLE {group} NOLOGIN;\n" for group in groups))
write("access/owner.yaml", "kind: Person\nid: p-owner\nname: {given: An, family: Owner}\nusername: owner\n"
      "email: owner@example.com\nemployment: employee\ndepartment: platform\nstart: 2020-01-01\n")
for number, (user, mine) in enumerate(held.items()):
    write(f"access/people/{number % 100:02}/{user}.yaml", f"kind: Person\nid: p-{user}\nname: {{given: A, family: {user}}}\n"
          f"username: {user}\nemail: {user}@example.com\nemployment: employee\ndepartment: engineering\nmanager: p-owner\n"
          "start: 2020-01-01\nroles:\n" + "".join(f"  - role: r-{group}\n" for group in mine))
for group in groups:
    write(f"access/roles/{group}.yaml", f"kind: Role\nid: r-{group}\nowners: [p-owner]\nrisk: low\n"
          f"grants:\n  - {{target: warehouse, group: {group}}}\n")
write("access/target.yaml", f"""kind: Target
id: warehouse
connector: postgres
config: {{host: 127.0.0.1, port: {port}, user: admin, sslmode: disable}}
secrets: {{password: warehouse-password}}
accounts:
  main: {{username: person.username}}
owners: [p-owner]
risk: low
scope: {{group: ["g*"]}}
protect: [admin]
authority: {{accounts: full, group: full}}
limits: {{concurrency: 16, per_second: 100000}}
""")
PYTHON
git -C "$dir/access" init --quiet --initial-branch main
git -C "$dir/access" add --all
git -C "$dir/access" -c user.name=bench -c user.email=bench@example.com commit --quiet --message bench
printf %s adminpw >"$dir/password"

fresh_server() {
  [ ! -d "$dir/server" ] || { tests/systems/postgres.sh stop "$dir/server"; rm -rf "$dir/server"; }
  tests/systems/postgres.sh start "$dir/server" "$port" >&2
  . "$dir/server/env"
  export PGPASSWORD=$ADMIN_PASSWORD PGDSN="postgresql://admin:$ADMIN_PASSWORD@127.0.0.1:$port/postgres"
  # The script logs every statement, which is for tests.
  psql -qX "$PGDSN" -c "ALTER SYSTEM SET log_statement = 'none'" -c 'SELECT pg_reload_conf()' >/dev/null
  psql -qX "$PGDSN" -1 -f "$dir/groups.sql"
}

# timed PROGRAM RUN COMMAND...: a line "PROGRAM RUN seconds KiB milliseconds" goes to results; the last number is what the
# program says that it waited for its own audit log.
timed() {
  local name=$1 run=$2 waited; shift 2
  /usr/bin/time -f "%e %M" -o "$dir/time" "$@" >"$dir/out" 2>&1 || { tail -20 "$dir/out" >&2; return 1; }
  waited=$(sed -n 's/.*waited for the audit log alone.*milliseconds=\([0-9]*\).*/\1/p' "$dir/out")
  echo "$name $run $(tail -n 1 "$dir/time") ${waited:-0}" >>"$dir/results"
}

check() {
  local got want="$(($1 * 4 / 5)) $2"
  got=$(psql -qAtX "$PGDSN" -c "SELECT (SELECT count(*) FROM pg_roles WHERE rolname ~ '^u[0-9]' AND rolcanlogin)
    || ' ' || (SELECT count(*) FROM pg_auth_members WHERE roleid::regrole::text ~ '^g[0-9]')")
  [ "$got" = "$want" ] || { echo "wrong result: $got instead of $want" >&2; return 1; }
}

for ((i = 0; i < ${RUNS:-3}; i++)); do
  fresh_server
  for run in initial noop; do timed ldap2pg $run benches/ldap2pg.sh run --real --config "$dir/ldap2pg.yml"; check "$@"; done

  fresh_server
  rm -rf "$dir/own"
  mkdir "$dir/own"
  "$PROVOST" init --repo "$dir/access" --trust HEAD --dir "$dir/own" --state "$dir/own/state" >/dev/null
  sed -i 's/^listen = .*/listen = "127.0.0.1:0"/' "$dir/own/provost.toml"
  printf '\n[secrets.warehouse-password]\nfile = "%s"\ntarget = "warehouse"\n' "$dir/password" >>"$dir/own/provost.toml"
  export PROVOST_CONFIG=$dir/own/provost.toml PROVOST_LOG=warn,provost::daemon=info
  "$PROVOST" adopt warehouse --yes >/dev/null
  for run in initial noop; do timed provost $run "$PROVOST" run --once; check "$@"; done
done

python3 - "$dir/results" <<'PYTHON'
import json, statistics, sys
rows = {}
for line in open(sys.argv[1]):
    name, run, seconds, kib, waited = line.split()
    rows.setdefault((name, run), []).append((float(seconds), int(kib), int(waited) / 1000))
def seconds(name, run): return statistics.median(s for s, _, _ in rows[name, run])
def apply(name, run): return statistics.median(s - w for s, _, w in rows[name, run])
def kib(name): return max(k for (n, _), runs in rows.items() if n == name for _, k, _ in runs)
raw = {f"{name}_{run}_s": seconds(name, run) for name, run in rows}
raw["provost_initial_without_its_log_s"] = round(apply("provost", "initial"), 3)
raw |= {f"{name}_peak_mib": round(kib(name) / 1024, 1) for name in ("ldap2pg", "provost")}
def over(run): return round(seconds("ldap2pg", run) / seconds("provost", run), 3)
print(json.dumps({
    "noop_vs_ldap2pg": over("noop"),
    "initial_apply_vs_ldap2pg": round(seconds("ldap2pg", "initial") / apply("provost", "initial"), 3),
    "initial_vs_ldap2pg": over("initial"),
    "memory_vs_ldap2pg": round(kib("ldap2pg") / kib("provost"), 3),
    "raw": raw,
}, indent=2))
PYTHON
