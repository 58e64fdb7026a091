#!/usr/bin/env python3
"""A connector of provost for a small system of accounts and groups in a file.

    connector.py                         speaks the protocol (this is what provost runs)
    connector.py create FILE [GROUP...]  makes a new system with these groups and prints its tokens
"""

import json
import secrets
import sqlite3
import sys

import store
from protocol import PAGE, Failure, serve

CAPABILITIES = {
    "account_kinds": [
        {
            "name": "user",
            "attributes": [
                {"name": "display_name"},
                {"name": "email", "gives_control": True},
                {"name": "title"},
            ],
        }
    ],
    "entitlement_kinds": [
        {"name": "group", "nests": True},
        {"name": "project", "roles": list(store.ROLES["project"])},
    ],
    "verbs": [
        "create", "update", "rename", "enable", "disable", "delete", "grant", "revoke", "end-sessions",
        "issue-credential", "rotate-credential", "revoke-credential",
    ],
    "usernames": "ignore-case",
    "delta": True,
    "idempotent": True,
    "disable_ends_sessions": True,
    "credentials": ["key"],
}


class Connector:
    """The calls of the protocol."""

    def open(self, settings):
        place, options, token = settings["place"] or {}, settings["options"] or {}, settings["secrets"].get("token")
        if not isinstance(place.get("file"), str):
            raise Failure("configuration", "`place` needs `file`, the path of the system.")
        self.page = options.get("page", PAGE)
        if not isinstance(self.page, int) or not 1 <= self.page <= 10_000:
            raise Failure("configuration", "The option `page` is a number from 1 to 10000.")
        if token is None:
            raise Failure("configuration", "`secrets` needs `token`, one that `connector.py create` printed.")
        self.store = store.Store(place["file"], token)
        return CAPABILITIES

    def probe(self):
        def permission(right, purpose):
            hint = f"Use a token that may {right}: `connector.py create` printed one."
            return {"purpose": purpose, "granted": right in self.store.rights, "hint": hint}

        return {
            "product": "accounts in a file",
            "instance": self.store.instance(),
            "permissions": [
                permission("list", "list accounts and groups"),
                permission("read", "look an account up"),
                permission("write", "change accounts"),
            ],
        }

    def observe(self, since):
        # The cursor is taken first: what changes meanwhile comes again with the next read, and is never missed.
        cursor = str(self.store.counter())
        if since is not None and not (since.isdecimal() and int(since) <= int(cursor)):
            raise Failure("invalid-value", "The cursor is not one of this system.")
        return self.store.items(None if since is None else int(since)), cursor

    def look_up(self, wanted):
        self.store.need("read")
        anchor = wanted.get("anchor") or self.store.anchor_of(wanted.get("username", ""))
        return anchor and self.store.account(anchor)

    def apply(self, operation, key):
        """One transaction: the change and the note that its key was used are durable together or not at all."""
        self.store.need("write")
        database = self.store.database
        try:
            database.execute("BEGIN IMMEDIATE")
            result = self.once(operation, key)
            database.execute("COMMIT")
            return result
        except sqlite3.OperationalError as error:
            raise Failure("unavailable", f"The file cannot be written now: {error}.") from error
        finally:
            if database.in_transaction:
                database.execute("ROLLBACK")

    def once(self, operation, key):
        used = self.store.one("SELECT anchor, credential FROM used WHERE key = ?", key)
        if used and not used[1]:
            return {"changed": False, "anchor": used[0]}
        result = self.perform(operation, again=used and used[1])
        row = (key, result.get("anchor"), result.get("credential"))
        self.store.database.execute("INSERT OR REPLACE INTO used VALUES (?, ?, ?)", row)
        return result

    def perform(self, operation, again):
        """Does one operation; `again` is the credential that the same call made before."""
        verb = operation["operation"]
        if verb == "create":
            made = self.store.create(operation["username"], operation["attributes"], operation["identity"])
            return {"changed": True, "anchor": made}
        anchor = self.store.existing(operation["account"])
        if verb in ("issue-credential", "rotate-credential"):
            if verb == "rotate-credential":
                self.check_credential(anchor, operation["credential"])
            credential, secret = self.store.issue(anchor, again)
            return {"changed": True, "credential": credential, "secret": secret}
        if verb == "delete":
            self.store.delete(anchor)
            return {"changed": True}
        changed = {
            "update": lambda: self.store.set_attributes(anchor, operation["changes"]),
            "rename": lambda: self.store.rename(anchor, operation["to"]),
            "enable": lambda: self.store.set_enabled(anchor, True),
            "disable": lambda: self.store.set_enabled(anchor, False),
            "grant": lambda: self.store.hold(anchor, operation["entitlement"], True),
            "revoke": lambda: self.store.hold(anchor, operation["entitlement"], False),
            "end-sessions": lambda: self.store.end_sessions(anchor),
            "revoke-credential": lambda: self.store.revoke_credential(anchor, operation["credential"]),
        }[verb]()
        if changed:
            self.store.touch(anchor)
        return {"changed": changed}

    def check_credential(self, anchor, credential):
        sql = "SELECT 1 FROM credential WHERE account = ? AND anchor = ?"
        if self.store.one(sql, anchor, credential) is None:
            raise Failure("not-found", f"There is no credential {credential} of {anchor}.")

    # For the conformance suite, on a throwaway system

    def stage_make_entitlement(self, kind, name):
        row = self.store.one("SELECT anchor FROM entitlement WHERE kind = ? AND name = ?", kind, name)
        anchor = row and row[0]
        if anchor is None:
            number = self.store.next()
            anchor = f"e{number}"
            self.store.database.execute("INSERT INTO entitlement VALUES (?, ?, ?, ?)", (anchor, kind, name, number))
        return {"kind": kind, "anchor": anchor, "name": name}

    def stage_remove_entitlement(self, entitlement):
        kind, anchor = entitlement["kind"], entitlement["anchor"]
        if self.store.database.execute("DELETE FROM entitlement WHERE anchor = ?", (anchor,)).rowcount:
            self.store.database.execute("INSERT INTO gone VALUES (?, ?, ?)", (kind, anchor, self.store.next()))

    def stage_nest(self, inner, outer):
        edge = (inner["anchor"], outer["anchor"])
        self.store.database.execute("INSERT OR IGNORE INTO nesting VALUES (?, ?)", edge)
        for anchor in edge:
            sql = "UPDATE entitlement SET changed = ? WHERE anchor = ?"
            self.store.database.execute(sql, (self.store.next(), anchor))
        return True

    def stage_signs_in(self, account):
        return self.stage_open_session(account) is not None

    def stage_open_session(self, account):
        if self.store.one("SELECT 1 FROM account WHERE anchor = ? AND enabled", account["anchor"]) is None:
            return None
        session = secrets.token_hex(8)
        self.store.database.execute("INSERT INTO session VALUES (?, ?)", (session, account["anchor"]))
        return session

    def stage_session_works(self, session):
        return self.store.one("SELECT 1 FROM session WHERE id = ?", session) is not None

    def stage_credential_works(self, account, kind, secret):
        sql = "SELECT 1 FROM credential WHERE account = ? AND hash = ?"
        return self.store.one(sql, account["anchor"], store.digest(secret)) is not None


if __name__ == "__main__":
    if len(sys.argv) == 1:
        serve(Connector(), "python-files", "1")
    elif sys.argv[1] == "create" and len(sys.argv) > 2:
        print(json.dumps(store.create(sys.argv[2], sys.argv[3:])))
    else:
        sys.exit(__doc__)
