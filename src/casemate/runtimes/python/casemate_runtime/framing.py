"""Turns bytes of one connection into requests; llhttp parses, this file decides what is accepted.

One reading of every message or none: a length and an encoding together, two lengths, a transfer
coding other than chunked, two hosts or a control character refuse the request, and the connection
ends, because the next byte's meaning is unknown. Sizes are bounded before bytes are kept.
"""

from __future__ import annotations

import re

import httptools

from casemate_runtime.request import Request

# Above what browsers, proxies and JWTs send together; the gateway's own limit is lower.
HEADER_BYTES = 64 * 1024
HEADER_COUNT = 128
TARGET_BYTES = 16 * 1024

# Fields that decide about framing or routing; two of one name have no single meaning.
SINGLE_FIELDS = (b"content-length", b"transfer-encoding", b"host", b"content-type", b"expect")

# ATTACK: a bare CR, LF or NUL in a value starts a new header in a laxer reader behind us.
FORBIDDEN_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class RefusedRequest(Exception):
    """The bytes are no acceptable request; the answer is `status` and the connection ends."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class RequestFraming:
    """Collects parser callbacks of one connection; whole requests come out of `ready`."""

    __slots__ = (
        "_body",
        "_body_limit",
        "_fields",
        "_head_bytes",
        "_headers",
        "_in_body",
        "_method",
        "_parser",
        "_started",
        "_target",
        "_version",
        "closing",
        "expects_continue",
        "on_header",
        "ready",
        "refusal",
    )

    def __init__(self, body_limit_bytes: int) -> None:
        self._body_limit = body_limit_bytes
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        keep = self._headers.append

        def on_header(name: bytes, value: bytes) -> None:
            # A closure, not a method: it is called a dozen times for each request.
            keep((name.lower(), value))

        self.on_header = on_header
        self._parser = httptools.HttpRequestParser(self)
        self._started = False
        self._in_body = False
        self._head_bytes = 0
        self._target = b""
        self._method = b""
        self._version = ""
        self._body: bytearray | None = None
        self.ready: list[Request] = []
        self.refusal: RefusedRequest | None = None
        self.expects_continue = False
        self.closing = False

    @property
    def started(self) -> bool:
        """Whether a request has begun and is not whole yet."""
        return self._started

    def feed(self, received: bytes) -> None:
        """Parse what came in; raises RefusedRequest, after which nothing may be fed."""
        if not self._in_body:
            self._head_bytes += len(received)
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            # The old protocol may be kept; what follows on the wire is no longer certain.
            self._finish_upgrade()
        except httptools.HttpParserError as error:
            refusal = self.refusal or RefusedRequest(400, "malformed request")
            raise refusal from error
        if self._started and not self._in_body and self._head_bytes > HEADER_BYTES:
            raise RefusedRequest(431, "headers are too large")

    def _finish_upgrade(self) -> None:
        self.closing = True
        request = self.ready.pop()
        if request.method == b"CONNECT":
            raise RefusedRequest(405, "method is not served")
        if {b"content-length", b"transfer-encoding"} & request.fields.keys():
            raise RefusedRequest(400, "upgrade of a request with a body")
        request.keep_alive = False
        self.ready.append(request)

    # Callbacks of the parser. An exception in one of them stops the parser and surfaces in feed.

    def on_message_begin(self) -> None:
        """Forget the previous message."""
        self._started = True
        self._in_body = False
        self._headers.clear()
        self._target = b""
        self._body = None

    def on_url(self, url: bytes) -> None:
        """Collect the target, which may come in pieces."""
        self._target += url
        if len(self._target) > TARGET_BYTES:
            self._refuse(414, "target is too long")

    def on_headers_complete(self) -> None:
        """Decide on the head; after this the only unknown is the body's size."""
        headers = self._headers
        fields = self._fields = dict(headers)
        if len(headers) > HEADER_COUNT:
            self._refuse(431, "too many headers")
        if self._head_bytes > HEADER_BYTES and _size(headers) > HEADER_BYTES:
            self._refuse(431, "headers are too large")
        if len(fields) != len(headers):
            names = [name for name, _ in headers]
            if any(names.count(name) > 1 for name in SINGLE_FIELDS):
                self._refuse(400, "repeated header")
        self._check_fields(headers, fields)
        self._method = self._parser.get_method()
        self._version = self._parser.get_http_version()
        if self._version not in {"1.1", "1.0"}:
            self._refuse(505, "version is not served")
        if b"transfer-encoding" in fields and self._version == "1.0":
            # A 1.0 peer does not know chunks: someone between us may read on differently.
            self._refuse(400, "transfer coding in HTTP/1.0")
        self._target = self._origin_form(self._target)
        self._in_body = True

    def _check_fields(self, headers: list[tuple[bytes, bytes]], fields: dict[bytes, bytes]) -> None:
        if b"content-length" in fields:
            # ATTACK: request smuggling by two framings. test_length_with_coding_is_refused
            if b"transfer-encoding" in fields:
                self._refuse(400, "two framings")
            if int(fields[b"content-length"]) > self._body_limit:
                self._refuse(413, "body is too large")
        if fields.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            self._refuse(400, "transfer coding is not served")
        if FORBIDDEN_IN_VALUE.search(b"".join([value for _, value in headers])):
            self._refuse(400, "control character in a header")
        expectation = fields.get(b"expect")
        if expectation is not None:
            if expectation.lower() != b"100-continue":
                self._refuse(417, "expectation is not served")
            self.expects_continue = True

    def on_body(self, chunk: bytes) -> None:
        """Keep a part of the body while the whole stays within the limit."""
        if self._body is None:
            self._body = bytearray()
        self._body += chunk
        if len(self._body) > self._body_limit:
            self._refuse(413, "body is too large")

    def on_message_complete(self) -> None:
        """Hand the request on; pipelined ones queue in the order of arrival."""
        request = Request(
            self._method,
            self._target,
            self._headers[:],
            self._fields,
            self._version,
            b"" if self._body is None else bytes(self._body),
        )
        request.keep_alive = self._parser.should_keep_alive()
        self._body = None
        self._started = False
        self._in_body = False
        self._head_bytes = 0
        self.expects_continue = False
        self.ready.append(request)

    def _origin_form(self, target: bytes) -> bytes:
        if target.startswith(b"/") or target == b"*" or self._method == b"CONNECT":
            return target
        if target.lower().startswith((b"http://", b"https://")):
            _, slash, rest = target.partition(b"//")[2].partition(b"/")
            return slash + rest if slash else b"/"
        self._refuse(400, "target is no path")
        return b""

    def _refuse(self, status: int, reason: str) -> None:
        self.refusal = RefusedRequest(status, reason)
        raise self.refusal


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)
