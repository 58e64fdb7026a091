"""Tests of the example by itself: python3 -m unittest, in this folder."""

import io
import json
import os
import tempfile
import unittest

import protocol
import store
from connector import CAPABILITIES, Connector


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "system.sqlite")
        self.tokens = store.create(self.path)
        self.opened = []

    def tearDown(self):
        for connector in self.opened:
            connector.store.database.close()
        self.folder.cleanup()

    def connector(self, rights="all"):
        connector = Connector()
        settings = {"place": {"file": self.path}, "options": None, "secrets": {"token": self.tokens[rights]}}
        self.assertEqual(connector.open(settings), CAPABILITIES)
        self.opened.append(connector)
        return connector

    def create(self, connector, username, key=None):
        operation = {"operation": "create", "kind": "user", "username": username, "attributes": {}, "identity": "p-1"}
        return connector.apply(operation, key or username)["anchor"]

    def fails(self, kind, call, *arguments):
        with self.assertRaises(protocol.Failure) as raised:
            call(*arguments)
        self.assertEqual(raised.exception.kind, kind)

    def test_a_wrong_token_and_a_missing_file_are_told_apart(self):
        def opened(path, token):
            return Connector().open({"place": {"file": path}, "options": None, "secrets": {"token": token}})

        self.fails("invalid-credential", opened, self.path, "wrong")
        self.fails("unavailable", opened, self.path + ".other", self.tokens["all"])
        self.assertFalse(os.path.exists(self.path + ".other"))

    def test_a_token_does_what_it_may_and_no_more(self):
        self.create(self.connector(), "ada")
        reader, blind = self.connector("read"), self.connector("blind")
        self.fails("permission-denied", self.create, reader, "bea")
        self.assertEqual(reader.look_up({"username": "ADA"})["username"], "ada")
        self.fails("permission-denied", lambda: list(blind.observe(None)[0]))
        granted = [permission["granted"] for permission in blind.probe()["permissions"]]
        self.assertEqual(granted, [False, True, False])

    def test_a_key_is_used_once_and_anchors_never_again(self):
        connector = self.connector()
        first = self.create(connector, "ada", "k")
        self.assertEqual(self.create(connector, "ada", "k"), first)
        connector.apply({"operation": "delete", "account": {"anchor": first}}, "d")
        self.assertNotEqual(self.create(connector, "ada", "k2"), first)
        self.assertIsNone(connector.look_up({"anchor": first}))

    def test_a_lost_secret_is_replaced_under_the_same_id(self):
        connector = self.connector()
        account = {"anchor": self.create(connector, "ada"), "username": "ada"}
        issue = {"operation": "issue-credential", "account": account, "kind": "key"}
        lost, found = connector.apply(issue, "k"), connector.apply(issue, "k")
        self.assertEqual(lost["credential"], found["credential"])
        self.assertFalse(connector.stage_credential_works(account, "key", lost["secret"]))
        self.assertTrue(connector.stage_credential_works(account, "key", found["secret"]))

    def test_a_failed_operation_leaves_nothing(self):
        connector = self.connector()
        before = connector.store.counter()
        operation = {"operation": "create", "kind": "user", "username": "ada", "attributes": {"colour": "red"},
                     "identity": "p-1"}
        self.fails("invalid-value", connector.apply, operation, "k")
        self.assertIsNone(connector.look_up({"username": "ada"}))
        self.assertEqual(connector.store.counter(), before)

    def test_a_delta_costs_what_changed(self):
        connector = self.connector()
        people = [self.create(connector, f"n{number}") for number in range(50)]
        _, cursor = connector.observe(None)
        connector.apply({"operation": "disable", "account": {"anchor": people[7]}}, "x")
        connector.apply({"operation": "delete", "account": {"anchor": people[8]}}, "y")
        items = list(connector.observe(cursor)[0])
        self.assertEqual([item.get("account", {}).get("anchor") for item in items], [people[7], None])
        self.assertEqual(items[1], {"account-gone": people[8]})
        self.fails("invalid-value", connector.observe, "999999")

    def talk(self, *messages):
        """What the protocol answers to these messages."""
        source = io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        sink = io.BytesIO()
        connector = Connector()
        protocol.Server(connector, "test", "1", source, sink).serve()
        if hasattr(connector, "store"):
            self.opened.append(connector)
        return [json.loads(line) for line in sink.getvalue().splitlines()]

    def hello(self, access, version=protocol.VERSION):
        initialize = {"protocol": [version], "target": "t", "access": access, "max_line": 1000}
        settings = {"place": {"file": self.path}, "options": None, "secrets": {"token": self.tokens["all"]}}
        return [
            {"id": 1, "method": "initialize", "params": initialize},
            {"id": 2, "method": "open", "params": settings},
        ]

    def test_another_version_is_refused(self):
        answer = self.talk(self.hello("read", version=99)[0])[0]
        self.assertEqual(answer["error"]["data"]["kind"], "configuration")

    def test_whoever_may_read_is_not_asked_to_write(self):
        apply = {"id": 3, "method": "apply", "params": {"operation": {}, "key": "k"}}
        stage = {"id": 4, "method": "stage/signs_in", "params": {"account": {"anchor": "a"}}}
        answers = self.talk(*self.hello("read"), apply, stage)
        self.assertEqual([answer["error"]["code"] for answer in answers[2:]], [-32601, -32601])

    def test_a_read_comes_in_pages_and_says_how_many_items_there_were(self):
        connector = self.connector()
        for number in range(protocol.PAGE + 1):
            self.create(connector, f"n{number}")
        answers = self.talk(*self.hello("read"), {"id": 3, "method": "observe", "params": {"since": None}})[2:]
        sizes = [len(message["params"]["items"]) for message in answers[:-1]]
        self.assertEqual(sizes, [protocol.PAGE, 1])
        self.assertEqual(answers[-1]["result"]["items"], protocol.PAGE + 1)

    def test_a_cancelled_read_ends(self):
        self.create(self.connector(), "ada")
        sink = io.BytesIO()
        server = protocol.Server(self.connector(), "test", "1", io.BytesIO(), sink)
        server.cancelled.add(3)
        server.answer({"id": 3, "method": "observe", "params": {"since": None}})
        self.assertEqual(json.loads(sink.getvalue())["error"]["data"]["kind"], "timeout")
        self.assertEqual(server.cancelled, set())


if __name__ == "__main__":
    unittest.main()
