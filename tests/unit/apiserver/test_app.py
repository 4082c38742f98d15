"""The order of an answer: authenticated, authorized, audited, and only then read and routed."""

from __future__ import annotations

import asyncio
import json

import pytest

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.audit import AuditLog, AuditRing
from casemate.apiserver.access.rbac import Decision
from casemate.apiserver.app import App
from casemate.apiserver.body import LARGEST_BODY_BYTES
from casemate.apiserver.reply import Reply, tree_reply
from casemate.apiserver.status_error import ApiError


class Gate:
    """Knows alice by her token, and lets her do what `allowed` says."""

    def __init__(self, allowed=True):
        self.allowed = allowed
        self.asked = []

    def authenticate(self, headers, certificate):
        return User("alice") if headers.get("authorization") == "Bearer good" else None

    def authorize(self, attributes):
        self.asked.append(attributes)
        return Decision(self.allowed, "because")


class Exchange:
    """One request to an App, and what came back."""

    def __init__(self, route=None, gate=None, sink=None):
        self.routed = []
        self.ring = AuditRing() if sink is None else sink
        self.gate = gate or Gate()

        async def answered(call):
            self.routed.append(call)
            return tree_reply({"ok": True})

        self.app = App(self.gate, AuditLog(self.ring), route or answered, lambda: 0.0)
        self.sent = []

    def send(self, method="GET", path="/api/v1/pods", body=b"", headers=(), query=b"", parts=None):
        parts = [body] if parts is None else parts
        messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
            for number, part in enumerate(parts)
        ]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query, "client": ("127.0.0.1", 1),
            "headers": [
                (name.encode(), value.encode("latin-1"))
                for name, value in (headers or [("authorization", "Bearer good")])
            ],
        }  # fmt: skip

        async def receive():
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message):
            self.sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def tree(self):
        return json.loads(self.body)

    @property
    def audited(self):
        return [json.loads(line) for line in self.ring]


def test_an_allowed_request_is_answered_with_its_audit_id_and_no_sniffing():
    exchange = Exchange().send()

    assert (exchange.status, exchange.tree) == (200, {"ok": True})
    assert exchange.headers[b"audit-id"].decode() == exchange.audited[0]["auditID"]
    assert exchange.headers[b"x-content-type-options"] == b"nosniff"
    assert exchange.headers[b"cache-control"] == b"no-cache, private"


def test_who_is_nobody_gets_401_and_nothing_is_read():
    exchange = Exchange().send("POST", headers=[("x", "y")], body=b"secret")

    assert exchange.status == 401
    assert exchange.tree["message"] == "Unauthorized"
    assert (exchange.gate.asked, exchange.routed) == ([], [])
    assert exchange.audited[0]["decision"] == "unauthenticated"


def test_who_may_not_gets_403_before_anything_is_looked_up():
    exchange = Exchange(gate=Gate(allowed=False)).send(
        path="/apis/serverless.kyma-project.io/v1alpha2/namespaces/shop/functions/pay"
    )

    assert exchange.status == 403
    assert exchange.tree["message"] == (
        'functions.serverless.kyma-project.io "pay" is forbidden: User "alice" cannot get resource '
        '"functions" in API group "serverless.kyma-project.io" in the namespace "shop"'
    )
    assert exchange.routed == []
    assert exchange.audited[0]["decision"] == "forbid"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/metrics", 'forbidden: User "alice" cannot get path "/metrics"'),
        (
            "/api/v1/namespaces/shop/pods/x/log",
            'pods "x" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "shop"',
        ),
        (
            "/api/v1/namespaces",
            'namespaces is forbidden: User "alice" cannot list resource "namespaces" in API group "" at the cluster scope',
        ),
    ],
)
def test_refusals_are_worded_as_kubernetes_words_them(path, message):
    assert Exchange(gate=Gate(allowed=False)).send(path=path).tree["message"] == message


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer good"), ("authorization", "Bearer good")],
        [("authorization", "Bearer bad"), ("authorization", "Bearer good")],
    ],
)
def test_two_authorizations_are_none(headers):
    assert Exchange().send(headers=headers).status == 401


@pytest.mark.parametrize(
    "path",
    ["/api/v1/namespaces/shop/../bank/pods", "/api/v1/%2e%2e/pods", "/api/v1/a%2Fb", "//api"],
)
def test_a_path_that_two_could_read_differently_is_not_there(path):
    exchange = Exchange().send(path=path)

    assert exchange.status == 404
    assert exchange.gate.asked == []


@pytest.mark.parametrize("query", [b"a=" + b"b" * 9000, b"&".join([b"a=b"] * 100), b"a=\xff"])
def test_a_query_without_measure_is_refused(query):
    assert Exchange().send(query=query).status == 400


def test_of_a_repeated_query_name_the_first_counts():
    exchange = Exchange().send(query=b"limit=1&limit=2")

    assert exchange.routed[0].query == {"limit": "1"}


def test_a_body_that_says_it_is_too_large_is_refused_unread():
    length = str(LARGEST_BODY_BYTES + 1)
    headers = [("authorization", "Bearer good"), ("content-length", length)]

    exchange = Exchange().send("POST", headers=headers)

    assert (exchange.status, exchange.tree["reason"]) == (413, "RequestEntityTooLarge")


def test_a_body_that_grows_too_large_is_refused():
    part = b"x" * (1024 * 1024)

    assert Exchange().send("POST", parts=[part] * 4).status == 413


def test_a_caller_who_leaves_in_the_middle_changes_nothing():
    exchange = Exchange()

    exchange.send("POST", parts=[])

    assert exchange.routed == []


def test_a_change_without_its_audit_line_does_not_happen():
    class Broken:
        def write(self, line):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    exchange = Exchange(sink=Broken()).send("POST")

    assert exchange.status == 503
    assert exchange.routed == []
    assert Exchange(sink=Broken()).send("GET").status == 200


def test_an_error_of_the_server_says_nothing_of_itself():
    async def route(call):
        message = "password=hunter2"
        raise RuntimeError(message)

    exchange = Exchange(route).send()

    assert exchange.status == 500
    assert b"hunter2" not in exchange.body
    assert exchange.audited[0]["auditID"] in exchange.tree["message"]


def test_an_answer_to_head_has_a_length_and_no_body():
    exchange = Exchange().send("HEAD")

    assert exchange.headers[b"content-length"] == b"11"
    assert exchange.body == b""


def test_an_error_with_a_time_to_wait_says_so_in_its_header():
    async def route(call):
        raise ApiError(429, "TooManyRequests", "later", retry_after_seconds=3)

    assert Exchange(route).send().headers[b"retry-after"] == b"3"


def test_a_stream_begins_before_its_first_part_and_ends_when_its_caller_leaves():
    closed = []

    async def parts():
        try:
            while True:
                await asyncio.sleep(3600)
                yield b"never"
        finally:
            closed.append(True)

    async def route(call):
        return Reply(200, stream=parts())

    exchange = Exchange(route).send()

    assert exchange.sent[1] == {"type": "http.response.body", "body": b"", "more_body": True}
    assert closed == [True]


def test_other_protocols_are_not_spoken():
    exchange = Exchange()

    asyncio.run(exchange.app({"type": "websocket"}, None, None))

    assert exchange.sent == []
