"""HTTP and TLS around the application, over real sockets: one framing, bounds, many connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from casemate.apiserver import http_server
from casemate.apiserver.access.certificates import ensure_certificates
from casemate.apiserver.http_server import AddressTaken, HttpServer
from conformance.http.test_smuggling import BROKEN_BODIES, CHUNKED, REFUSED

GET = b"GET /default/open HTTP/1.1\r\nHost: localhost\r\n"
HIDDEN = b"GET /default/open/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Recorder:
    """An application that notes what reaches it, and answers 200."""

    def __init__(self):
        self.seen = []
        self.certificates = []
        self.open = 0

    async def __call__(self, scope, receive, send):
        self.open += 1
        try:
            await self._note(scope, receive, send)
        finally:
            self.open -= 1

    async def _note(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append((scope["method"], scope["path"], None))
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append((scope["method"], scope["path"], body))
        self.certificates.append(scope.get("casemate.certificate"))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await send({"type": "http.response.body", "body": b"ok"})


class Running:
    """A server in a thread of its own, with TLS of its own CA."""

    def __init__(self, directory):
        self.recorder = Recorder()
        self.pki = ensure_certificates(directory)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = HttpServer(self.recorder, "127.0.0.1", 0, self.pki.server_context())
        self.call(self.server.start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    def close(self):
        self.call(self.server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def connect(self, pair=None):
        context = ssl.create_default_context(cadata=self.pki.ca.decode())
        if pair:
            context.load_cert_chain(
                self.pki.directory / f"{pair}.crt", self.pki.directory / f"{pair}.key"
            )
        raw = socket.create_connection(self.server.address, 10)
        with raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
            yield connection

    def answers(self, message, *, pair=None):
        """Send all of it, say goodbye, and return the statuses that came back."""
        with self.connect(pair) as connection:
            connection.settimeout(3)
            received = b""
            try:
                connection.sendall(message)
                while part := connection.recv(65536):
                    received += part
            except (TimeoutError, OSError):
                pass
        lines = [line for line in received.split(b"\r\n") if b"HTTP/1.1 " in line]
        return [int(line.rpartition(b"HTTP/1.1 ")[2].split()[0]) for line in lines]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    found = Running(tmp_path_factory.mktemp("pki"))
    yield found
    found.close()


@pytest.fixture
def served(running, monkeypatch):
    running.recorder.seen.clear()
    running.recorder.certificates.clear()
    yield running
    # What a case left half-sent is noted a moment later, and must not be noted in the next one:
    # behind one more answer the server has begun all of it.
    running.answers(GET + CLOSE)
    end = time.monotonic() + 5
    while running.recorder.open and time.monotonic() < end:
        time.sleep(0.01)


CLOSE = b"Connection: close\r\n\r\n"


def test_a_request_is_answered_and_carries_no_certificate_of_a_caller_without_one(served):
    assert served.answers(GET + CLOSE) == [200]
    assert served.recorder.certificates == [None]


def test_a_client_certificate_reaches_the_application_verified(served):
    served.answers(GET + CLOSE, pair="admin")

    assert served.recorder.certificates[0] is not None


def test_a_header_cannot_pretend_to_be_a_certificate(served):
    served.answers(GET + b"casemate.certificate: x\r\nX-Client-Cert: y\r\n" + CLOSE)

    assert served.recorder.certificates == [None]


def test_plain_http_is_not_spoken(served):
    with socket.create_connection(served.server.address, 5) as raw:
        raw.sendall(GET + CLOSE)
        raw.settimeout(5)
        received = b""
        try:
            while part := raw.recv(4096):
                received += part
        except ConnectionResetError:
            pass

    assert b"200" not in received
    assert served.recorder.seen == []


def test_pipelined_requests_are_answered_one_by_one_in_order(served):
    message = b"".join(GET.replace(b"open", b"%d" % number) + b"\r\n" for number in range(4))

    assert served.answers(message + GET + CLOSE) == [200] * 5
    assert [path for _, path, _ in served.recorder.seen] == [
        "/default/0", "/default/1", "/default/2", "/default/3", "/default/open",
    ]  # fmt: skip


# An empty line before a request is what RFC 9112 lets a server pass over (2.2).
@pytest.mark.parametrize("name", sorted(set(REFUSED) - {"leading LF", "leading CRLF"}))
def test_a_doubtful_message_reaches_nobody_and_hides_nothing(served, name):
    served.answers(REFUSED[name] + HIDDEN)

    assert [body for _, _, body in served.recorder.seen if body is not None] == []


@pytest.mark.parametrize("name", sorted(BROKEN_BODIES))
def test_a_broken_body_is_never_whole(served, name):
    served.answers(CHUNKED + b"\r\n" + BROKEN_BODIES[name])

    assert [body for _, _, body in served.recorder.seen if body is not None] == []


def test_a_head_without_end_is_cut_off(served):
    head = GET + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(80))

    assert served.answers(head + CLOSE) == [400]
    assert served.recorder.seen == []


def test_a_large_body_may_arrive_together_with_its_head(served):
    head = b"POST /default/open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"

    assert served.answers(head + CLOSE + b"x" * 1_000_000) == [200]

    assert served.recorder.seen == [("POST", "/default/open", b"x" * 1_000_000)]


def test_a_caller_who_sends_slowly_loses_his_connection(served, monkeypatch):
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.5)

    with served.connect() as connection:
        connection.sendall(GET)
        connection.settimeout(10)
        left = b""
        # A TimeoutError would be our own patience that ended, not the server's: it fails here.
        with suppress(ConnectionError, ssl.SSLError):
            left = connection.recv(1)

    assert left == b""


def test_a_caller_who_closes_his_side_in_the_middle_is_forgotten(served):
    with served.connect() as connection:
        connection.sendall(CHUNKED + b"\r\n5\r\nab")

    assert served.answers(GET + CLOSE) == [200]
    assert [body for _, path, body in served.recorder.seen if body is not None] == [b""]


def test_a_thousand_connections_do_not_keep_another_out(served):
    waiting = []
    try:
        for _ in range(1000):
            raw = socket.create_connection(served.server.address, 10)
            waiting.append(raw)

        assert served.answers(GET + CLOSE) == [200]
    finally:
        for raw in waiting:
            raw.close()


def test_an_address_that_is_taken_is_said_with_a_way_out(served):
    other = HttpServer(Recorder(), *served.server.address, served.pki.server_context())

    with pytest.raises(AddressTaken, match="choose another"):
        served.call(other.start())


def test_close_before_start_is_fine(served):
    served.call(HttpServer(Recorder(), "127.0.0.1", 0, served.pki.server_context()).close())
