"""Read requests off a connection: httptools parses, this module collects and checks the head.

The parser (llhttp, all leniency off) decides message boundaries. What it lets through and we do
not: more than one Host, codings besides `chunked`, HTTP/0.9 and 2.0, CONNECT and TRACE, upgrades
with a body, oversized heads. A refused head keeps its problem as a value; nothing is raised
through the parser.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from casemate.gateway.headers import (
    REQUEST_FIELDS,
    Field,
    caller_request_id,
    connection_tokens,
    is_passed_on,
    without_named,
)
from casemate.gateway.limits import Limits
from casemate.gateway.problems import (
    AUTHORIZATION_MALFORMED,
    BAD_HOST,
    BAD_REQUEST,
    EXPECTATION_FAILED,
    HEAD_TOO_LARGE,
    UPGRADE_REFUSED,
    URL_TOO_LONG,
    Problem,
)

_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})
_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"upgrade", b""})


class RequestHead:
    """The head of one request as far as it has been read. `problem` is set once it is refused."""

    __slots__ = (
        "authorization",
        "chunked",
        "connection",
        "content_length",
        "expects_continue",
        "fields",
        "has_length",
        "host",
        "http11",
        "keep_alive",
        "lines",
        "method",
        "problem",
        "size",
        "upgrade",
        "url",
    )

    def __init__(self) -> None:
        self.method = b""
        self.url = b""
        self.host: bytes | None = None
        self.authorization: bytes | None = None
        self.content_length = 0
        self.has_length = False
        self.chunked = False
        self.connection: bytes | None = None
        self.upgrade: bytes | None = None
        self.expects_continue = False
        self.http11 = True
        self.keep_alive = False
        self.lines: list[bytes] = []
        self.size = 0
        self.fields = 0
        self.problem: Problem | None = None

    def refuse(self, problem: Problem) -> None:
        """Keep the first problem only: later ones may be its consequences."""
        self.problem = self.problem or problem


class RequestReceiver(Protocol):
    """Who takes what the reader read."""

    def on_request(self, head: RequestHead) -> None:
        """Take a complete head, refused or not."""

    def on_request_body(self, piece: bytes) -> None:
        """Take a piece of the body of the last head."""

    def on_request_end(self) -> None:
        """Learn that the last request is complete."""


class RequestReader:
    """Parser state of one client connection."""

    __slots__ = ("_gathered", "_limits", "_parser", "_receiver", "head", "in_body")

    def __init__(self, receiver: RequestReceiver, limits: Limits) -> None:
        self._receiver = receiver
        self._limits = limits
        self.head: RequestHead | None = None
        self.in_body = False
        self._gathered = 0
        self._parser = httptools.HttpRequestParser(self)

    @property
    def is_between_messages(self) -> bool:
        """Whether not one byte of a further message has been read."""
        return self.head is None and not self.in_body

    def feed(self, received: bytes) -> bytes | None:
        """Parse `received`; returns what follows an upgrade request, if one ends here.

        Raises HttpParserError on bad HTTP, and on a head that outgrows what may be gathered.
        """
        if self.is_between_messages and not received[:1].isupper():
            # ATTACK: blank lines and stray bytes before a request are where parsers differ.
            # tests/conformance/http/test_smuggling.py
            raise httptools.HttpParserError("a request starts with its method")
        # The parser holds an unfinished field for itself; this bounds what it can gather.
        self._gathered = self._gathered + len(received) if self.head is not None else 0
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade as upgrade:
            offset: int = upgrade.args[0]
            return received[offset:]
        if self.head is not None and self._gathered > self._limits.head_bytes:
            self.head.refuse(HEAD_TOO_LARGE)
            raise httptools.HttpParserError("the head does not end")
        return None

    def on_message_begin(self) -> None:
        """Start a head."""
        self.head = RequestHead()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        head = self.head
        if head is not None:
            head.url += url
            if len(head.url) > self._limits.url_bytes:
                head.url = b""
                head.refuse(URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Sort one field: into the head's own members, to be passed on, or dropped."""
        head = self.head
        if head is None:
            return  # a trailer: none is passed on, and no answer depends on one
        head.size += len(name) + len(value) + 4
        head.fields += 1
        if head.size > self._limits.head_bytes or head.fields > self._limits.head_fields:
            head.refuse(HEAD_TOO_LARGE)
            return
        lowered = name.lower()
        rule = REQUEST_FIELDS.get(lowered)
        if rule is None:
            if is_passed_on(lowered):
                head.lines.append(b"%b: %b\r\n" % (lowered, value))
        elif rule is not Field.DROP:
            _take_special(head, rule, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Finish the head and hand it over, refused or not."""
        head, self.head = self.head, None
        if head is None:
            return
        parser = self._parser
        head.method = parser.get_method()
        head.keep_alive = parser.should_keep_alive()
        version = parser.get_http_version()
        if version != "1.1":
            head.http11 = head.keep_alive = False
            if version != "1.0" or head.chunked:
                head.refuse(BAD_REQUEST)
        _check(head, upgrading=parser.should_upgrade())
        self.in_body = True
        self._receiver.on_request(head)

    def on_body(self, piece: bytes) -> None:
        """Pass a piece of the body on."""
        self._receiver.on_request_body(piece)

    def on_message_complete(self) -> None:
        """Report the end of the request."""
        self.in_body = False
        self._receiver.on_request_end()


def _take_special(head: RequestHead, rule: Field, value: bytes) -> None:
    """Keep a field that the gateway itself acts on; a second one of a kind is refused."""
    if rule is Field.HOST:
        head.refuse(BAD_HOST) if head.host is not None else None
        head.host = value
    elif rule is Field.AUTHORIZATION:
        head.refuse(AUTHORIZATION_MALFORMED) if head.authorization is not None else None
        head.authorization = value
    elif rule is Field.CONTENT_LENGTH:
        # ATTACK: two lengths, or a length beside chunks, make two servers cut messages apart at
        # different places. The parser refuses both; so does this. tests/conformance/http
        if head.has_length or head.chunked or not value.isdigit():
            head.refuse(BAD_REQUEST)
        else:
            head.has_length, head.content_length = True, int(value)
    elif rule is Field.TRANSFER_ENCODING:
        if head.has_length or head.chunked or value.lower() != b"chunked":
            head.refuse(BAD_REQUEST)
        head.chunked = True
    elif rule is Field.CONNECTION:
        head.connection = value if head.connection is None else head.connection + b"," + value
    elif rule is Field.UPGRADE:
        head.upgrade = value.lower()
    elif rule is Field.EXPECT:
        head.expects_continue = value.lower() == b"100-continue"
        head.refuse(EXPECTATION_FAILED) if not head.expects_continue else None
    else:
        head.lines.append(caller_request_id(value))


def _check(head: RequestHead, *, upgrading: bool) -> None:
    """Refuse what is well-formed and still not taken; settle upgrade and hop-by-hop fields."""
    if head.host is None:
        head.refuse(BAD_HOST)
    if head.method in _REFUSED_METHODS:
        head.refuse(BAD_REQUEST)
    if upgrading and (head.has_length or head.chunked):
        # ATTACK: after an upgrade the parser takes the body for another protocol's bytes.
        # tests/conformance/http/test_smuggling.py
        head.refuse(UPGRADE_REFUSED)
    if not upgrading or head.upgrade != b"websocket" or head.method != b"GET":
        head.upgrade = None  # anything but WebSocket is answered in HTTP/1.1, as RFC 9110 allows
    if head.connection is not None:
        tokens = connection_tokens(head.connection)
        if not tokens <= _PLAIN_CONNECTION:
            head.lines = without_named(head.lines, tokens)
