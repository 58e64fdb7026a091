#!/usr/bin/env bash
# What the embedded directory costs: benches/directory.sh USERS GROUPS prints one JSON object.
#
# Starts a release build on an empty file, fills it by Bulk (each user in five groups), and measures on one kept-alive
# connection; times are medians in milliseconds, as the client sees them. SERVE names a server that is built already;
# it is called as `SERVE FILE ADDRESS` with the token in DIRECTORY_TOKEN.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 USERS GROUPS" >&2; exit 2; }
cd "$(dirname "$0")/.."

if [ -z "${SERVE-}" ]; then
  cargo build --quiet --release -p provost-directory --example serve >&2
  SERVE=${CARGO_TARGET_DIR:-target}/release/examples/serve
fi
dir=$(mktemp -d)
export DIRECTORY_TOKEN=bench
"$SERVE" "$dir/bench.db" 127.0.0.1:0 >"$dir/url" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 100); do [ -s "$dir/url" ] && break; sleep 0.1; done

python3 - "$(cat "$dir/url")" "$1" "$2" "$server" <<'PYTHON'
import http.client, json, statistics, sys, time
from urllib.parse import quote, urlsplit

url, users, groups, pid = urlsplit(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
connection = http.client.HTTPConnection(url.netloc)
HEADERS = {"Authorization": "Bearer bench", "Content-Type": "application/scim+json"}
CORE, LIST = "urn:ietf:params:scim:schemas:core:2.0:", "urn:ietf:params:scim:api:messages:2.0:"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

def ask(method, path, body=None):
    connection.request(method, url.path + path, body and json.dumps(body), HEADERS)
    response = connection.getresponse()
    return response.status, response.read()

def bulk(operations):
    """Runs a bulk request, at most 1,000 operations; answers the ids."""
    status, body = ask("POST", "/Bulk", {"schemas": [LIST + "BulkRequest"], "Operations": operations})
    results = json.loads(body)["Operations"]
    assert status == 200 and all(result["status"] == "201" for result in results), body[:500]
    return [result["location"].rsplit("/", 1)[1] for result in results]

def user(n):
    return {
        "schemas": [CORE + "User", ENTERPRISE], "userName": f"person{n}", "externalId": f"p-{n}", "active": True,
        "name": {"givenName": f"Given{n}", "familyName": f"Family{n}", "formatted": f"Given{n} Family{n}"},
        "displayName": f"Given{n} Family{n}", "title": "Engineer", "locale": "en-GB", "timezone": "Europe/Berlin",
        "emails": [{"value": f"person{n}@example.com", "type": "work", "primary": True}],
        "phoneNumbers": [{"value": f"+49 30 {n:08}", "type": "work"}],
        ENTERPRISE: {"department": f"department-{n % 40}", "employeeNumber": str(n), "organization": "Example"},
    }

def post(path, resources):
    ids = []
    for at in range(0, len(resources), 1000):
        ids += bulk([{"method": "POST", "path": path, "bulkId": str(at + i), "data": resource}
                     for i, resource in enumerate(resources[at:at + 1000])])
    return ids

def median(times, request):
    """Median milliseconds of a request, which is given the number of the time; checks that the answer is a success."""
    taken = []
    for n in range(times):
        arguments = request(n)
        start = time.perf_counter()
        status, body = ask(*arguments)
        taken.append((time.perf_counter() - start) * 1000)
        assert status in (200, 201), body[:500]
    return round(statistics.median(taken), 3)

def filtered(text):
    return ("GET", "/Users?filter=" + quote(text))

start = time.perf_counter()
user_ids = post("/Users", [user(n) for n in range(users)])
group_ids = []
for at in range(0, groups, 50):
    group_ids += post("/Groups", [
        {"schemas": [CORE + "Group"], "displayName": f"group-{g}", "externalId": f"g-{g}",
         "members": [{"value": user_ids[n]} for k in range(5) for n in range((g - k * 97) % groups, users, groups)]}
        for g in range(at, min(at + 50, groups))])
fill = time.perf_counter() - start

member = lambda n, op: ("PATCH", f"/Groups/{group_ids[n % groups]}?attributes=displayName", {
    "schemas": [LIST + "PatchOp"],
    "Operations": [{"op": op, "path": "members", "value": [{"value": user_ids[(n * 7 + 1) % users]}]}]})
result = {
    "users": users,
    "groups": groups,
    "fill_s": round(fill, 2),
    "page_1000_ms": median(31, lambda n: ("GET", f"/Users?count=1000&startIndex={1 + n * 1000 % users}")),
    "page_1000_cursor_ms": median(15, lambda n: ("GET", "/Users?count=1000&cursor=")),
    "filter_ms": median(301, lambda n: filtered(f'userName eq "PERSON{n * 61 % users}"')),
    "filter_external_id_ms": median(301, lambda n: filtered(f'externalId eq "p-{n * 61 % users}"')),
    "filter_email_ms": median(301, lambda n: filtered(f'emails[value eq "person{n * 61 % users}@example.com"]')),
    "filter_scan_ms": median(11, lambda n: filtered(f'{ENTERPRISE}:department eq "department-{n}" and active eq true') ),
    "sort_ms": median(7, lambda n: ("GET", "/Users?sortBy=name.familyName&count=10")),
    "groups_page_ms": median(7, lambda n: ("GET", "/Groups?count=100&excludedAttributes=members")),
    "groups_members_page_ms": median(7, lambda n: ("GET", "/Groups?count=100")),
    "get_ms": median(301, lambda n: ("GET", f"/Users/{user_ids[n * 61 % users]}")),
    "create_ms": median(51, lambda n: ("POST", "/Users", user(users + n))),
    "add_member_ms": median(51, lambda n: member(n, "add")),
    "remove_member_ms": median(51, lambda n: member(n, "remove")),
}
with open(f"/proc/{pid}/status") as status:
    result["resident_mib"] = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024
print(json.dumps(result))
PYTHON
