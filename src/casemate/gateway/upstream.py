"""One keep-alive connection to an instance: sends one request at a time and reads its answer.

An instance runs user code, so its answer is untrusted too: it goes through the same strict parser,
its hop-by-hop fields end here, and a connection on which anything unexpected was seen is never used
again. This module knows bytes and framing; what an answer means is the exchange's business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from casemate.gateway.headers import ANSWER_FIELDS, Field, connection_tokens, without_named

if TYPE_CHECKING:
    from casemate.gateway.exchange import Exchange
    from casemate.gateway.lanes import Endpoint
    from casemate.gateway.limits import Limits

_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"upgrade", b""})
_SWITCHING = 101
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_FIRST_FINAL = 200


class AnswerHead:
    """The head of an answer, with the fields that framing is decided by kept apart."""

    __slots__ = ("bodyless", "chunked", "connection", "length", "lines", "size", "status")

    def __init__(self) -> None:
        self.status = 0
        self.lines: list[bytes] = []
        self.length: bytes | None = None
        self.chunked = False
        self.connection: bytes | None = None
        self.bodyless = False
        self.size = 0


class UpstreamConnection(asyncio.Protocol):
    """A pooled connection; `exchange` is the request it carries now, if any."""

    __slots__ = (
        "_broken",
        "_done",
        "_head",
        "_interim",
        "_is_interim",
        "_limits",
        "_parser",
        "endpoint",
        "exchange",
        "idle_since",
        "reused",
        "spliced",
        "transport",
        "writable",
    )

    def __init__(self, endpoint: Endpoint, limits: Limits) -> None:
        self.endpoint = endpoint
        self._limits = limits
        self.exchange: Exchange | None = None
        self.reused = False
        self.idle_since = 0.0
        self.spliced = False
        self.writable = True
        self._parser = httptools.HttpResponseParser(self)
        self._head = AnswerHead()
        self._done = False
        self._broken = False
        self._interim = 0
        self._is_interim = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent on it."""
        return not (self._broken or self.transport.is_closing())

    def send(self, exchange: Exchange, first: bytes) -> None:
        """Begin to carry `exchange`; `first` is its head and what there is of its body."""
        self.exchange = exchange
        self._done = False
        self._interim = 0
        self._head = AnswerHead()
        self.transport.write(first)

    def leave(self) -> None:
        """Close without telling the exchange, which has given up or has all it needs."""
        self.exchange = None
        self._broken = True
        self.transport.abort()

    def data_received(self, received: bytes) -> None:
        """Parse a piece of the answer and let the exchange pass it on."""
        exchange = self.exchange
        if exchange is None:
            # ATTACK: an answer nobody asked for would be read as the answer to the next caller.
            # tests/unit/gateway/test_upstream.py
            self.leave()
            return
        if self.spliced:
            exchange.client.write(received)
            return
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(exchange, received[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._broken = True
            if not self._done:
                exchange.on_answer_broken()
                return
        if self._done:
            exchange.on_answer_end()
        else:
            exchange.flush()

    def _switch(self, exchange: Exchange, first: bytes) -> None:
        if exchange.head.upgrade is None or self._head.status != _SWITCHING:
            self._broken = True
            exchange.on_answer_broken()
            return
        self.spliced = True
        exchange.on_switched(self._head, first)

    def eof_received(self) -> bool:
        """Let a close-delimited answer end where the instance ended it."""
        exchange = self.exchange
        if exchange is not None and not self.spliced and exchange.ends_at_close and not self._done:
            self._broken = self._done = True
            exchange.on_answer_end()
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the exchange, or leave the pool."""
        self._broken = True
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            self.endpoint.forget(self)
        else:
            exchange.on_instance_lost(self)

    def pause_writing(self) -> None:
        """The instance reads slowly: stop reading the caller's body."""
        self.writable = False
        if self.exchange is not None:
            self.exchange.on_upstream_full()

    def resume_writing(self) -> None:
        """The instance caught up."""
        self.writable = True
        if self.exchange is not None:
            self.exchange.on_upstream_ready()

    def on_message_begin(self) -> None:
        """Notice a second answer to one request: the connection lies and is dropped after it."""
        if self._done:
            self._broken = True
        self._is_interim = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Sort one field of the answer."""
        head = self._head
        head.size += len(name) + len(value) + 4
        if self._done or head.size > self._limits.upstream_head_bytes:
            return
        lowered = name.lower()
        rule = ANSWER_FIELDS.get(lowered)
        if rule is None:
            head.lines.append(b"%b: %b\r\n" % (name, value))
        elif rule is Field.CONTENT_LENGTH:
            head.length = value.strip(b" \t")
        elif rule is Field.TRANSFER_ENCODING:
            head.chunked = True
        elif rule is Field.CONNECTION:
            head.connection = value
        elif rule is Field.UPGRADE:
            head.lines.append(b"upgrade: %b\r\n" % value) if self._is_switch() else None

    def _is_switch(self) -> bool:
        return self._parser.get_status_code() == _SWITCHING

    def on_headers_complete(self) -> None:
        """Hand a final head to the exchange; interim answers are swallowed, a bounded number."""
        exchange = self.exchange
        if exchange is None or self._done:
            return
        head = self._head
        head.status = status = self._parser.get_status_code()
        if head.size > self._limits.upstream_head_bytes:
            raise ValueError("answer head too large")
        if head.connection is not None:
            tokens = connection_tokens(head.connection)
            if not tokens <= _PLAIN_CONNECTION:
                lowered = [(line.lower(), line) for line in head.lines]
                kept = set(without_named((low for low, _ in lowered), tokens))
                head.lines = [line for low, line in lowered if low in kept]
        if status == _SWITCHING:
            return
        if status < _FIRST_FINAL:
            self._interim += 1
            if self._interim > self._limits.upstream_interim_answers:
                raise ValueError("too many interim answers")
            self._is_interim = True
            self._head = AnswerHead()
            return
        to_head = exchange.head.method == b"HEAD"
        head.bodyless = to_head or status in {_NO_CONTENT, _NOT_MODIFIED}
        exchange.on_answer_head(head)
        if to_head:
            # The parser cannot know that no body follows: it ends here and a new one takes over.
            self._done = True
            self._broken = self._broken or not self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, piece: bytes) -> None:
        """Pass a piece of the body on."""
        if self._done:
            self._broken = True
        elif self.exchange is not None:
            self.exchange.on_answer_body(piece)

    def on_message_complete(self) -> None:
        """Note the end; the exchange hears of it once the whole piece is parsed."""
        if not self._is_interim and not self._done:
            self._done = True
            if not self._parser.should_keep_alive():
                self._broken = True
