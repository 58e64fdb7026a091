"""A program that does what its second argument says, in JSON, and writes what it hears to the file of its first."""

import json
import os
import subprocess
import sys
import time

heard, does = open(sys.argv[1], "a"), json.loads(sys.argv[2])
USER = {"account_kinds": [{"name": "user", "attributes": []}], "entitlement_kinds": [], "verbs": ["create", "disable"]}
answers = {
    "initialize": {"protocol": 1, "name": "fake", "version": "0"},
    "open": USER,
    "probe": {"product": "nothing", "permissions": []},
    "observe": {"completeness": "complete", "items": 0},
    "look_up": None,
    **does.get("answers", {}),
}


def hear(text):
    heard.write(text + "\n")
    heard.flush()


hear(f"started {os.getpid()}")
if "spawn" in does:
    hear(f"spawned {subprocess.Popen(['sleep', '600']).pid}")
if "say" in does:
    print(does["say"].format(environment=dict(os.environ), arguments=sys.argv[3:]), file=sys.stderr)
if does.get("exit") == "start":
    sys.exit(3)
for line in sys.stdin:
    hear(line.rstrip())
    message = json.loads(line)
    method = message["method"]
    if method == does.get("exit"):
        sys.exit(3)
    if method == does.get("allocate"):
        bytearray(512 << 20)
    if method in does.get("silent", []) and "deaf" in does:
        time.sleep(600)
    if "id" not in message or method in does.get("silent", []):
        continue
    for items in does.get("items", []) if method == "observe" else []:
        line = {"jsonrpc": "2.0", "method": "items", "params": {"call": message["id"], "items": items}}
        print(json.dumps(line), flush=True)
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answers[method]}), flush=True)
    if method == does.get("exit-after"):
        sys.exit(0)
hear("ended")
