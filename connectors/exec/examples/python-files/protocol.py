"""provost's protocol for connectors, version 1: JSON-RPC 2.0, one message a line, over standard input and output.

`serve(connector)` answers calls until the input ends. The connector is any object with the methods that it is asked for:
`open`, `probe`, `observe`, `look_up`, `apply` and, for throwaway systems only, `stage_...`. A failure is `raise Failure`.
Nothing but messages may be written to standard output; what is printed goes to standard error, which is provost's log.
"""

import json
import queue
import sys
import threading

VERSION = 1
# Items of a read in one message, where the connector has no `page` of its own.
PAGE = 500


class Failure(Exception):
    """A call that failed, for a reason that the contract knows."""

    def __init__(self, kind, message, may_have_landed=False):
        super().__init__(message)
        self.kind = kind
        self.may_have_landed = may_have_landed


class Cancelled(Failure):
    """provost no longer waits for the call."""

    def __init__(self):
        super().__init__("timeout", "The call was cancelled.")


class Server:
    """One run of the protocol over two streams of bytes."""

    def __init__(self, connector, name, version, source, sink):
        self.connector = connector
        self.name = name
        self.version = version
        self.source = source
        self.sink = sink
        self.calls = queue.Queue()
        self.cancelled = set()
        self.access = None

    def serve(self):
        """Answers calls in their order until the input ends. Input is read by a thread, so that a wish to cancel is
        heard in the middle of a call."""
        threading.Thread(target=self.listen, daemon=True).start()
        while (message := self.calls.get()) is not None:
            self.answer(message)

    def listen(self):
        for line in self.source:
            message = json.loads(line)
            if message["method"] == "cancel":
                self.cancelled.add(message["params"]["call"])
            else:
                self.calls.put(message)
        self.calls.put(None)

    def answer(self, message):
        call = message["id"]
        try:
            result = self.dispatch(call, message["method"], message["params"])
            self.send({"id": call, "result": result})
        except Failure as failure:
            data = {"kind": failure.kind, "may_have_landed": failure.may_have_landed}
            self.send({"id": call, "error": {"code": -32000, "message": str(failure), "data": data}})
        except NotImplementedError:
            self.send({"id": call, "error": {"code": -32601, "message": "There is no such method."}})
        self.cancelled.discard(call)

    def dispatch(self, call, method, params):
        if method == "initialize":
            return self.initialize(params)
        if method == "open":
            return self.connector.open(params)
        if method == "probe":
            return self.connector.probe()
        if method == "observe":
            return self.observe(call, params["since"])
        if method == "look_up":
            return self.connector.look_up(params)
        if method == "apply" and self.access == "write":
            return self.connector.apply(params["operation"], params["key"])
        if method.startswith("stage/") and self.access == "stage":
            act = getattr(self.connector, "stage_" + method.removeprefix("stage/"), None)
            if act:
                return act(**params)
        raise NotImplementedError(method)

    def initialize(self, params):
        if VERSION not in params["protocol"]:
            raise Failure("configuration", f"This connector speaks version {VERSION} of the protocol.")
        self.access = params["access"]
        return {"protocol": VERSION, "name": self.name, "version": self.version}

    def observe(self, call, since):
        """Sends items page by page; the answer says how many there were."""
        page, sent = [], 0
        items, cursor = self.connector.observe(since)
        for item in items:
            page.append(item)
            if len(page) == getattr(self.connector, "page", PAGE):
                sent += self.send_page(call, page)
                page = []
        sent += self.send_page(call, page)
        return {"completeness": "complete", "cursor": cursor, "items": sent}

    def send_page(self, call, page):
        if call in self.cancelled:
            raise Cancelled()
        if page:
            self.send({"method": "items", "params": {"call": call, "items": page}})
        return len(page)

    def send(self, message):
        line = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":"))
        self.sink.write(line.encode() + b"\n")
        self.sink.flush()


def serve(connector, name, version):
    """Serves on standard input and output. Whatever else is printed goes to standard error."""
    sink = sys.stdout.buffer
    sys.stdout = sys.stderr
    Server(connector, name, version, sys.stdin.buffer, sink).serve()
