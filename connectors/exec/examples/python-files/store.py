"""A small system of accounts and groups in one SQLite file.

Every change is one transaction and gets the next number of a counter: anchors are made of it and never used again, and
a read of what changed since a number costs what changed.
"""

import hashlib
import secrets
import sqlite3

from protocol import Failure

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE meta (instance TEXT NOT NULL, counter INTEGER NOT NULL);
CREATE TABLE token (hash TEXT PRIMARY KEY, rights TEXT NOT NULL);
CREATE TABLE account (anchor TEXT PRIMARY KEY, username TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,
    enabled INTEGER NOT NULL, identity TEXT, changed INTEGER NOT NULL);
CREATE INDEX account_changed ON account (changed);
CREATE TABLE attribute (anchor TEXT NOT NULL REFERENCES account ON DELETE CASCADE, name TEXT NOT NULL,
    value TEXT NOT NULL, PRIMARY KEY (anchor, name));
CREATE TABLE entitlement (anchor TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, changed INTEGER NOT NULL,
    UNIQUE (kind, name));
CREATE INDEX entitlement_changed ON entitlement (changed);
CREATE TABLE held (account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
    entitlement TEXT NOT NULL REFERENCES entitlement ON DELETE CASCADE, role TEXT NOT NULL,
    PRIMARY KEY (account, entitlement, role));
CREATE INDEX held_entitlement ON held (entitlement);
CREATE TABLE nesting (inside TEXT NOT NULL REFERENCES entitlement ON DELETE CASCADE,
    outside TEXT NOT NULL REFERENCES entitlement ON DELETE CASCADE, PRIMARY KEY (inside, outside));
CREATE TABLE session (id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account ON DELETE CASCADE);
CREATE TABLE credential (anchor TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
    hash TEXT NOT NULL);
CREATE TABLE gone (kind TEXT, anchor TEXT NOT NULL, changed INTEGER NOT NULL);
CREATE INDEX gone_changed ON gone (changed);
CREATE TABLE used (key TEXT PRIMARY KEY, anchor TEXT, credential TEXT);
"""

ATTRIBUTES = ("display_name", "email", "title")
ROLES = {"group": (), "project": ("member", "maintainer")}
# What each right of a token contains.
RIGHTS = {"all": ("list", "read", "write"), "read": ("list", "read"), "blind": ("read",)}


def create(path, groups=()):
    """Makes a new system with these groups and gives its tokens, by what each may do. Only their hashes are kept."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(SCHEMA)
    database.execute("INSERT INTO meta VALUES (?, ?)", (secrets.token_hex(8), len(groups)))
    rows = [(f"e{number}", "group", name, number) for number, name in enumerate(groups, start=1)]
    database.executemany("INSERT INTO entitlement VALUES (?, ?, ?, ?)", rows)
    tokens = {rights: secrets.token_urlsafe(24) for rights in RIGHTS}
    rows = [(digest(token), rights) for rights, token in tokens.items()]
    database.executemany("INSERT INTO token VALUES (?, ?)", rows)
    database.close()
    return tokens


def digest(token):
    """A token is random, so that a plain hash of it says nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


class Store:
    """An open system."""

    def __init__(self, path, token):
        try:
            # A system that is not there is not made by looking at it.
            self.database = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, timeout=10)
            self.database.execute("PRAGMA foreign_keys = ON")
            self.database.execute("PRAGMA synchronous = NORMAL")
            found = self.one("SELECT rights FROM token WHERE hash = ?", digest(token))
        except sqlite3.Error as error:
            raise Failure("unavailable", f"The file {path} cannot be used: {error}.") from error
        if found is None:
            raise Failure("invalid-credential", "The token is not one of this system.")
        self.rights = RIGHTS[found[0]]

    # Reading

    def one(self, sql, *values):
        return self.database.execute(sql, values).fetchone()

    def need(self, right):
        if right not in self.rights:
            raise Failure("permission-denied", f"The token may not {right}.")

    def instance(self):
        return self.one("SELECT instance FROM meta")[0]

    def counter(self):
        return self.one("SELECT counter FROM meta")[0]

    def items(self, since):
        """Everything, or what changed after the number `since`; one item after the other, at one instant."""
        self.need("list")
        self.database.execute("BEGIN")
        try:
            after = -1 if since is None else since
            for row in self.database.execute("SELECT anchor FROM account WHERE changed > ?", (after,)).fetchall():
                yield {"account": self.account(row[0])}
            found = "SELECT kind, anchor, name FROM entitlement WHERE changed > ?"
            for kind, anchor, name in self.database.execute(found, (after,)).fetchall():
                yield {"entitlement": {"kind": kind, "anchor": anchor, "name": name}}
                yield from self.edges(anchor, whole=since is None)
            if since is not None:
                found = "SELECT kind, anchor FROM gone WHERE changed > ?"
                for kind, anchor in self.database.execute(found, (after,)).fetchall():
                    yield {"account-gone": anchor} if kind is None else {
                        "entitlement-gone": {"kind": kind, "anchor": anchor}
                    }
        finally:
            self.database.execute("COMMIT")

    def edges(self, anchor, whole):
        """The edges of one group: those out of it, and in a read of what changed also those into it."""
        sql = "SELECT inside, outside FROM nesting WHERE inside = ?1" + ("" if whole else " OR outside = ?1")
        for inside, outside in self.database.execute(sql, (anchor,)).fetchall():
            yield {"nesting": {"inner": key("group", inside), "outer": key("group", outside)}}

    def account(self, anchor):
        """One account with all that it holds; None where it is not there."""
        row = self.one("SELECT username, enabled, changed FROM account WHERE anchor = ?", anchor)
        if row is None:
            return None
        username, enabled, changed = row
        attributes = self.database.execute("SELECT name, value FROM attribute WHERE anchor = ?", (anchor,))
        held = self.database.execute(
            "SELECT kind, entitlement, role FROM held JOIN entitlement ON anchor = entitlement WHERE account = ?",
            (anchor,),
        )
        return {
            "anchor": anchor,
            "kind": "user",
            "username": username,
            "state": "enabled" if enabled else "disabled",
            "attributes": dict(attributes),
            "entitlements": [key(*row) for row in held],
            "version": str(changed),
        }

    def anchor_of(self, username):
        row = self.one("SELECT anchor FROM account WHERE folded = ?", username.lower())
        return row and row[0]

    # Writing: within one transaction, which the caller begins

    def next(self):
        return self.one("UPDATE meta SET counter = counter + 1 RETURNING counter")[0]

    def touch(self, anchor):
        self.database.execute("UPDATE account SET changed = ? WHERE anchor = ?", (self.next(), anchor))

    def existing(self, account):
        anchor = account["anchor"]
        if self.one("SELECT 1 FROM account WHERE anchor = ?", anchor) is None:
            raise Failure("not-found", f"There is no account {anchor}.")
        return anchor

    def check_name(self, username, anchor=None):
        if not 1 <= len(username) <= 256 or username != username.strip() or not username.isprintable():
            raise Failure("invalid-value", "A username is 1 to 256 printable characters without blanks around them.")
        if self.anchor_of(username) not in (None, anchor):
            raise Failure("already-exists", f"The username {username} is taken.")

    def create(self, username, attributes, identity):
        self.check_name(username)
        number = self.next()
        anchor = f"a{number}"
        row = (anchor, username, username.lower(), identity, number)
        self.database.execute("INSERT INTO account VALUES (?, ?, ?, 1, ?, ?)", row)
        self.set_attributes(anchor, attributes)
        return anchor

    def set_attributes(self, anchor, changes):
        """Sets what has a value and clears what has none; whether anything changed."""
        present = dict(self.database.execute("SELECT name, value FROM attribute WHERE anchor = ?", (anchor,)))
        for name, value in changes.items():
            if name not in ATTRIBUTES:
                raise Failure("invalid-value", f"There is no attribute {name}.")
            if value is not None and (not isinstance(value, str) or value == ""):
                raise Failure("invalid-value", f"The attribute {name} is a text with at least one character.")
        changed = {name: value for name, value in changes.items() if present.get(name) != value}
        for name, value in changed.items():
            if value is None:
                self.database.execute("DELETE FROM attribute WHERE anchor = ? AND name = ?", (anchor, name))
            else:
                self.database.execute("INSERT OR REPLACE INTO attribute VALUES (?, ?, ?)", (anchor, name, value))
        return bool(changed)

    def rename(self, anchor, username):
        self.check_name(username, anchor)
        sql = "UPDATE account SET username = ?1, folded = ?2 WHERE anchor = ?3 AND username <> ?1"
        return self.database.execute(sql, (username, username.lower(), anchor)).rowcount > 0

    def set_enabled(self, anchor, enabled):
        sql = "UPDATE account SET enabled = ?1 WHERE anchor = ?2 AND enabled <> ?1"
        changed = self.database.execute(sql, (enabled, anchor)).rowcount > 0
        if changed and not enabled:
            self.end_sessions(anchor)
        return changed

    def delete(self, anchor):
        self.database.execute("DELETE FROM account WHERE anchor = ?", (anchor,))
        self.database.execute("INSERT INTO gone VALUES (NULL, ?, ?)", (anchor, self.next()))

    def hold(self, anchor, entitlement, holds):
        """Gives or takes one entitlement; whether that changed anything."""
        group, role = entitlement["anchor"], entitlement.get("role")
        row = self.one("SELECT kind FROM entitlement WHERE anchor = ? AND kind = ?", group, entitlement["kind"])
        if row is None:
            raise Failure("not-found", f"There is no {entitlement['kind']} {group}.")
        if role not in (ROLES[row[0]] or (None,)):
            raise Failure("invalid-value", f"A {row[0]} has no role {role}.")
        sql = (
            "INSERT OR IGNORE INTO held VALUES (?, ?, ?)"
            if holds
            else "DELETE FROM held WHERE account = ? AND entitlement = ? AND role = ?"
        )
        return self.database.execute(sql, (anchor, group, role or "")).rowcount > 0

    def end_sessions(self, anchor):
        return self.database.execute("DELETE FROM session WHERE account = ?", (anchor,)).rowcount > 0

    def issue(self, anchor, again=None):
        """A new secret, of a new credential or of the one that the same call made before its answer was lost."""
        credential, secret = again or f"k{self.next()}", secrets.token_urlsafe(24)
        row = (credential, anchor, digest(secret))
        self.database.execute("INSERT OR REPLACE INTO credential VALUES (?, ?, ?)", row)
        return credential, secret

    def revoke_credential(self, anchor, credential):
        sql = "DELETE FROM credential WHERE account = ? AND anchor = ?"
        return self.database.execute(sql, (anchor, credential)).rowcount > 0


def key(kind, anchor, role=""):
    return {"kind": kind, "anchor": anchor, **({"role": role} if role else {})}
