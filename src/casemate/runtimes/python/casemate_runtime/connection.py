"""One client connection: its socket, its framing, and who has it in hand.

Reads never block: the crew reads when the kernel says that bytes are there, and a request that
comes in pieces simply waits in the framing. Writes block, with the kernel's own timeout, in the
thread that made the answer. A connection is in the hands of one thread at a time.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

from casemate_runtime.framing import RefusedRequest, RequestFraming
from casemate_runtime.reply import Reply, problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from casemate_runtime.request import Request

    class Application(Protocol):
        """Answers requests; true when the connection may serve another."""

        def serve(self, request: Request, connection: Connection) -> bool:
            """Answer one request on its connection."""


# Most requests fit into one small read; a body that is coming in gets large ones.
READ_BYTES = 16 * 1024
BODY_READ_BYTES = 256 * 1024
# Longer than the gateway keeps an unused connection, so that it is the gateway that closes it.
IDLE_SECONDS = 90.0
# ATTACK: a request that trickles in byte by byte keeps its place no longer than this.
REQUEST_SECONDS = 30.0
# After our last byte the peer may still be sending; closing at once would reset the answer away.
LINGER_SECONDS = 1.0
STALLED_WRITE_SECONDS = 30
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection:
    """A socket with what was read from it and is not answered yet."""

    __slots__ = (
        "_abandoned",
        "_begun",
        "_framing",
        "_lingering",
        "_sock",
        "_touched",
        "descriptor",
        "draining",
        "in_service",
        "parked",
    )

    def __init__(self, sock: socket.socket, body_limit_bytes: int) -> None:
        self._sock = sock
        self._framing = RequestFraming(body_limit_bytes)
        self._abandoned = False
        self._lingering = 0.0
        self._begun = 0.0
        self._touched = time.monotonic()
        self.descriptor = sock.fileno()
        self.draining = False
        # A thread is answering; the crew's other threads leave the connection alone.
        self.in_service = False
        # Taken out of the crew's poll because bytes came while it was in service.
        self.parked = False
        sock.settimeout(None)
        timeout = struct.pack("ll", STALLED_WRITE_SECONDS, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)

    @property
    def has_request(self) -> bool:
        """Whether a whole request waits to be served."""
        return bool(self._framing.ready)

    @property
    def owes_answer(self) -> bool:
        """Whether a request is in hand that its own thread will still answer."""
        return (self.in_service or self.has_request) and not self._abandoned

    def receive(self) -> bool:
        """Read what is there; false when the connection is over."""
        try:
            size = BODY_READ_BYTES if self._begun else READ_BYTES
            received = self._sock.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not received or self._lingering:
            return bool(received)
        self._touched = time.monotonic()
        try:
            self._framing.feed(received)
        except RefusedRequest as refusal:
            # What came before the refused bytes is whole and is answered first.
            self._framing.closing = True
            return self.has_request or self._refuse(refusal)
        return self._note_progress()

    def _note_progress(self) -> bool:
        framing = self._framing
        if framing.ready:
            self._begun = 0.0
        elif not self._begun:
            self._begun = self._touched
        if framing.expects_continue:
            framing.expects_continue = False
            return self._try_send(CONTINUE)
        return True

    def serve(self, application: Application) -> bool:
        """Answer the oldest whole request; false when the connection is over."""
        framing = self._framing
        try:
            if application.serve(framing.ready.pop(0), self):
                return True
        except OSError:
            # The peer is gone, or does not take the answer.
            framing.ready.clear()
            return False
        framing.ready.clear()
        return self._finish()

    def _refuse(self, refusal: RefusedRequest) -> bool:
        reply = problem(refusal.status, refusal.reason)
        head = reply.head(keep_alive=False, method=b"GET", chunked=False)
        return self._try_send(head + reply.body) and self._finish()

    def _try_send(self, content: bytes) -> bool:
        """Send from the crew's reading thread, which may not wait for a slow peer."""
        try:
            return self._sock.send(content, socket.MSG_DONTWAIT) == len(content)
        except OSError:
            return False

    def _finish(self) -> bool:
        """Say that nothing more comes, and read on for a moment."""
        self._lingering = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        return True

    def overdue(self, now: float) -> bool:
        """Whether the peer has kept us waiting too long."""
        if self._lingering:
            return now > self._lingering
        if self._begun:
            return now - self._begun > REQUEST_SECONDS
        return now - self._touched > IDLE_SECONDS

    def send(self, content: bytes) -> None:
        """Send all of it, or fail when the peer does not take it in time."""
        self._sock.sendall(content)

    def may_continue(self, request: Request) -> bool:
        """Whether another request may follow this one."""
        return request.keep_alive and not self.draining and not self._framing.closing

    def answer_late(self, reply: Reply) -> None:
        """Answer from the deadline's thread; the worker will not write any more."""
        head = reply.head(keep_alive=False, method=b"GET", chunked=False)
        self._try_send(head + reply.body)
        self._abandoned = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Cut a stream in the middle: the missing last chunk tells the reader."""
        self._abandoned = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def drain(self) -> None:
        """Let what is in hand be the last request; an idle connection reads its end."""
        self.draining = True
        if not self.owes_answer and not self._begun:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Give the descriptor back."""
        self._sock.close()
