"""One connection from a caller: reads requests, answers them in order, bounds what it may cost.

Pipelined requests are read as they come and begun one after the other. Reading stops while an
earlier answer is outstanding, while the instance does not read, and while a body waits for its
slot. Whatever makes message boundaries doubtful ends the connection after one answer.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from casemate.gateway.exchange import Exchange
from casemate.gateway.headers import forwarded_lines
from casemate.gateway.problems import (
    BAD_HOST,
    BAD_REQUEST,
    REQUEST_STALLED,
    TOO_MANY_CONNECTIONS,
    Problem,
    encode_problem,
)
from casemate.gateway.request_reader import RequestHead, RequestReader
from casemate.gateway.targets import HostPlace, place_host

if TYPE_CHECKING:
    from casemate.gateway.core import Gateway
    from casemate.gateway.upstream import UpstreamConnection


# Why reading from the caller has stopped: bits of one plain number, which is asked three times for
# each request; an IntFlag takes two microseconds for that.
_HOLD_PIPELINE = 1
_HOLD_UPLOAD = 2
_HOLD_BODY = 4


class ClientConnection(asyncio.Protocol):
    """A caller's connection. `active` is the exchange being answered, `waiting` those behind it."""

    __slots__ = (
        "_active",
        "_after_upgrade",
        "_closing",
        "_driving",
        "_framing",
        "_hold",
        "_host",
        "_peer",
        "_place",
        "_poisoned",
        "_read_deadline",
        "_reader",
        "_receiving",
        "_spliced",
        "_transport",
        "_upgrading",
        "_waiting",
        "_window",
        "_write_deadline",
        "forwarded_lines",
        "gateway",
        "is_full",
    )

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._reader = RequestReader(self, gateway.limits)
        self._active: Exchange | None = None
        self._receiving: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._hold = 0
        self._host: bytes | None = None
        self._place: HostPlace | Problem = BAD_HOST
        self._peer = ""
        self.forwarded_lines = b""
        self.is_full = False
        self._driving = False
        self._closing = False
        self._poisoned = False
        self._spliced: UpstreamConnection | None = None
        self._upgrading = False
        self._after_upgrade = b""
        self._read_deadline = math.inf
        self._write_deadline = math.inf
        self._window = 0
        self._framing = 0

    # -- transport ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it when there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self._peer = (transport.get_extra_info("peername") or ("unknown",))[0]
        gateway = self.gateway
        if len(gateway.clients) >= gateway.limits.connections:
            request_id = gateway.next_request_id()
            self._transport.write(encode_problem(TOO_MANY_CONNECTIONS, request_id, close=True))
            self._closing = True
            self._transport.close()
            return
        gateway.clients.add(self)
        self._read_deadline = gateway.loop.time() + gateway.limits.idle_seconds

    def data_received(self, received: bytes) -> None:
        """Read requests, and let what can go on go on."""
        if self._spliced is not None:
            self._spliced.transport.write(received)
            return
        if self._closing or self._poisoned:
            return
        if self._upgrading:
            self._after_upgrade += received
            self._set_hold(_HOLD_BODY, on=True)
            return
        reader, limits = self._reader, self.gateway.limits
        if reader.is_between_messages and self._active is None:
            self._read_deadline = self.gateway.loop.time() + limits.head_seconds
        self._window += len(received)
        self._framing += len(received)
        try:
            self._feed(received)
        except httptools.HttpParserError:
            self._poison()
        if self._framing > limits.framing_bytes + len(received) and self._receiving is not None:
            # ATTACK: chunk extensions and trailers without end are content of no length.
            # tests/unit/gateway/test_client_bounds.py
            self._poison()
        self._drive()

    def _feed(self, received: bytes) -> None:
        rest = self._reader.feed(received)
        while rest is not None:
            if self._waiting and self._waiting[-1].head.upgrade is not None:
                self._upgrading = True
                self._after_upgrade = rest
                return
            rest = self._reader.feed(rest) if rest else None

    def eof_received(self) -> bool:
        """Treat the end of sending as the end: nobody is left to answer to."""
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Stop everything that was done for this caller."""
        self._closing = True
        self._read_deadline = self._write_deadline = math.inf
        self.gateway.clients.discard(self)
        self._waiting.clear()
        self._receiving = None
        if self._active is not None:
            self._active.cancel()

    def pause_writing(self) -> None:
        """The caller reads slowly: stop reading its answer, and bound how long."""
        self.is_full = True
        self._write_deadline = self.gateway.loop.time() + self.gateway.limits.write_stall_seconds
        if self._active is not None:
            self._active.pause_answer()

    def resume_writing(self) -> None:
        """The caller caught up."""
        self.is_full = False
        self._write_deadline = math.inf
        if self._active is not None:
            self._active.resume_answer()

    # -- from the reader ---------------------------------------------------------------------

    def on_request(self, head: RequestHead) -> None:
        """Queue a request behind those before it."""
        self._receiving = exchange = Exchange(self, head)
        self._window = self._framing = 0
        self._waiting.append(exchange)

    def on_request_body(self, piece: bytes) -> None:
        """Give a piece of the body to the request it belongs to."""
        self._framing -= len(piece)
        if self._receiving is not None:
            self._receiving.on_request_body(piece)

    def on_request_end(self) -> None:
        """Mark the request complete."""
        if self._receiving is not None:
            self._receiving.complete = True
            self._receiving = None

    # -- order -------------------------------------------------------------------------------

    def _drive(self) -> None:
        """Begin waiting requests in order until one has to wait for its answer.

        A loop and not a recursion: one packet can hold thousands of requests that are refused at
        once. tests/unit/gateway/test_client_bounds.py
        """
        if self._driving:
            return
        self._driving = True
        while not self._closing:
            if self._active is None:
                if not self._waiting:
                    break
                self._active = self._waiting.popleft()
                self._active.begin()
            else:
                self._active.advance()
            if self._active is not None:
                break
        self._driving = False
        if not self._closing:
            self._settle()

    def _settle(self) -> None:
        """Choose what may be read and until when, after everything that can move has moved."""
        self._set_hold(_HOLD_PIPELINE, on=bool(self._waiting))
        now, limits = self.gateway.loop.time(), self.gateway.limits
        if self._receiving is not None:
            if self._read_deadline == math.inf or not self._window:
                self._read_deadline = now + limits.body_window_seconds
        elif self._active is not None:
            self._read_deadline = math.inf
        elif self._reader.is_between_messages:
            if self.gateway.draining:
                self.close()
            self._read_deadline = now + limits.idle_seconds
        elif self._read_deadline == math.inf:
            self._read_deadline = now + limits.head_seconds  # a head begun behind an answer

    def on_exchange_over(self, exchange: Exchange, *, close: bool) -> None:
        """Go on with the next request, or close after the last answer."""
        if exchange is not self._active:
            return
        self._active = None
        self._spliced = None
        self._set_hold(_HOLD_UPLOAD | _HOLD_BODY, on=False)
        if self._transport.is_closing():
            self._closing = True
        elif close or (self._poisoned and not self._waiting):
            self._finish()
        elif self._upgrading:
            # The instance stayed with HTTP, so what followed is the next request.
            self._upgrading = False
            rest, self._after_upgrade = self._after_upgrade, b""
            if rest:
                self.gateway.loop.call_soon(self.data_received, rest)
            self._settle()
        else:
            self._drive()

    def _poison(self) -> None:
        """Answer what was complete, refuse what was not, and read nothing more."""
        self._poisoned = True
        exchange = self._receiving
        if exchange is None:
            head = self._reader.head or RequestHead()
            head.refuse(BAD_REQUEST)
            self._waiting.append(Exchange(self, head))
        elif exchange is self._active:
            exchange.refuse(BAD_REQUEST)
        else:
            exchange.head.refuse(BAD_REQUEST)

    def place_of(self, head: RequestHead) -> HostPlace | Problem:
        """Read the Host header, which seldom changes within a connection."""
        host = head.host
        if host is None:
            return BAD_HOST
        if host != self._host:
            self._host = host
            self._place = place_host(host, self.gateway.hosts)
            self.forwarded_lines = forwarded_lines(self._peer, host)
        return self._place

    # -- bytes -------------------------------------------------------------------------------

    def write(self, piece: bytes) -> None:
        """Send to the caller, unless it is gone."""
        if not self._transport.is_closing():
            self._transport.write(piece)

    def splice(self, upstream: UpstreamConnection) -> None:
        """Pass bytes on unread from now on."""
        self._spliced = upstream
        self._upgrading = False
        self._set_hold(_HOLD_PIPELINE | _HOLD_BODY, on=False)
        if self._after_upgrade:
            upstream.transport.write(self._after_upgrade)
            self._after_upgrade = b""

    def hold_body(self) -> None:
        """Read no more of a body that waits for its slot."""
        self._set_hold(_HOLD_BODY, on=True)

    def release_body(self) -> None:
        """Read on."""
        self._set_hold(_HOLD_BODY, on=False)

    def hold_upload(self) -> None:
        """Read no more than the instance does."""
        self._set_hold(_HOLD_UPLOAD, on=True)

    def release_upload(self) -> None:
        """Read on."""
        self._set_hold(_HOLD_UPLOAD, on=False)

    def _set_hold(self, flag: int, *, on: bool) -> None:
        before = self._hold
        self._hold = before | flag if on else before & ~flag
        if bool(before) == bool(self._hold) or self._transport.is_closing():
            return
        if self._hold:
            self._transport.pause_reading()
        else:
            self._window = 0
            self._transport.resume_reading()

    # -- ends --------------------------------------------------------------------------------

    def close(self) -> None:
        """Close once everything written has been sent."""
        self._closing = True
        self._transport.close()

    def close_if_idle(self) -> None:
        """Close a connection on which nothing is under way."""
        if self._active is None and self._reader.is_between_messages:
            self.close()

    def break_off(self, *, reset: bool) -> None:
        """End an answer that cannot be finished, so that the caller can tell."""
        self._closing = True
        self._transport.abort() if reset else self._transport.close()

    def _finish(self) -> None:
        """Close after the last answer; first read on a little if the caller still sends.

        Closing with unread bytes resets the connection, and a reset can overtake the answer.
        """
        if self._receiving is None and not self._poisoned:
            self.close()
            return
        self._closing = True
        self._set_hold(_HOLD_PIPELINE, on=False)
        self._read_deadline = self.gateway.loop.time() + self.gateway.limits.linger_seconds
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def sweep(self, now: float) -> None:
        """Act on whatever has taken too long."""
        active = self._active
        if self._write_deadline <= now:
            self._transport.abort()
        elif active is not None and active.deadline <= now:
            active.expire()
        elif self._read_deadline <= now:
            self._on_read_deadline(now)

    def _on_read_deadline(self, now: float) -> None:
        limits = self.gateway.limits
        if self._closing or (self._active is None and self._reader.is_between_messages):
            self._read_deadline = math.inf
            self._transport.abort() if self._closing else self.close()
        elif self._receiving is not None and (
            self._hold or self._window >= limits.body_window_bytes
        ):
            self._window = 0
            self._read_deadline = now + limits.body_window_seconds
        else:
            # ATTACK: heads and bodies sent a byte at a time to hold connections and slots.
            # tests/unit/gateway/test_client_bounds.py
            self._read_deadline = math.inf
            self._stall()

    def _stall(self) -> None:
        exchange = self._receiving
        self._poisoned = True
        if exchange is None:
            head = self._reader.head or RequestHead()
            head.refuse(REQUEST_STALLED)
            self._waiting.append(Exchange(self, head))
            self._drive()
        elif exchange is self._active:
            exchange.refuse(REQUEST_STALLED)
        else:
            exchange.head.refuse(REQUEST_STALLED)
