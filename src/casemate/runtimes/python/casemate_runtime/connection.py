"""One client connection, served by one thread from its first byte to its close.

Blocking reads and writes with the kernel's own timeouts (SO_RCVTIMEO, SO_SNDTIMEO): Python's would
cost one more system call each. The handler runs in this same thread: no hand-over per request.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

from casemate_runtime.call import DeadlineExceeded
from casemate_runtime.framing import RefusedRequest, RequestFraming
from casemate_runtime.reply import Reply, problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from casemate_runtime.request import Request

    class Application(Protocol):
        """Answers requests; true when the connection may serve another."""

        def serve(self, request: Request, connection: Connection) -> bool: ...


READ_BYTES = 64 * 1024
# Longer than the gateway keeps an unused connection, so that it is the gateway that closes it.
IDLE_SECONDS = 90
# ATTACK: a request sent byte by byte holds its thread no longer than this between two reads ...
STALLED_READ_SECONDS = 10
# ... and no longer than this from its first byte. test_slow_request_is_cut_off
REQUEST_SECONDS = 60
STALLED_WRITE_SECONDS = 30
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection:
    """The socket, its framing, and the state that drain and deadline look at."""

    __slots__ = ("_abandoned", "_framing", "_last", "_sock", "busy", "draining")

    def __init__(self, sock: socket.socket, body_limit_bytes: int) -> None:
        self._sock = sock
        self._framing = RequestFraming(body_limit_bytes)
        self._abandoned = False
        self._last = False
        self.busy = False
        self.draining = False

    def run(self, application: Application) -> None:
        """Serve requests until either side ends the connection."""
        try:
            self._set_timeout(socket.SO_RCVTIMEO, IDLE_SECONDS)
            self._set_timeout(socket.SO_SNDTIMEO, STALLED_WRITE_SECONDS)
            while (request := self._next_request()) is not None:
                if not application.serve(request, self):
                    self._linger()
                    break
                self.busy = bool(self._framing.ready)
        except (OSError, DeadlineExceeded):
            # The peer is gone or stalled, or an interruption came too late: only this ends.
            pass
        finally:
            self._sock.close()

    def _set_timeout(self, option: int, seconds: int) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))

    def _next_request(self) -> Request | None:
        framing = self._framing
        if framing.ready:
            return framing.ready.pop(0)
        if self._last or framing.closing:
            return None
        sock = self._sock
        begun = 0.0
        while True:
            received = sock.recv(READ_BYTES)
            if not received:
                return None
            self.busy = True
            try:
                framing.feed(received)
            except RefusedRequest as refusal:
                if not framing.ready:
                    self._refuse(refusal)
                    return None
                # What came before the refused bytes is whole and is answered first.
                framing.closing = True
            if framing.ready:
                if begun:
                    self._set_timeout(socket.SO_RCVTIMEO, IDLE_SECONDS)
                return framing.ready.pop(0)
            if framing.expects_continue:
                framing.expects_continue = False
                sock.sendall(CONTINUE)
            if not begun:
                begun = time.monotonic()
                self._set_timeout(socket.SO_RCVTIMEO, STALLED_READ_SECONDS)
            elif time.monotonic() - begun > REQUEST_SECONDS:
                self._refuse(RefusedRequest(408, "the request took too long to arrive"))
                return None

    def _refuse(self, refusal: RefusedRequest) -> None:
        reply = problem(refusal.status, refusal.reason)
        self.send(reply.head(keep_alive=False, method=b"GET", chunked=False) + reply.body)
        self._linger()

    def _linger(self) -> None:
        """Let the peer read the answer before bytes it still sends would reset the connection."""
        if self._abandoned:
            return
        self._sock.shutdown(socket.SHUT_WR)
        self._set_timeout(socket.SO_RCVTIMEO, 1)
        until = time.monotonic() + 1
        while time.monotonic() < until and self._sock.recv(READ_BYTES):
            pass

    def send(self, content: bytes) -> None:
        """Send all of it, or fail when the peer does not take it in time."""
        self._sock.sendall(content)

    def may_continue(self, request: Request) -> bool:
        """Whether another request may follow this one."""
        return request.keep_alive and not self.draining and not self._framing.closing

    def answer_late(self, reply: Reply) -> None:
        """Answer from the deadline's thread; the worker will not write any more."""
        head = reply.head(keep_alive=False, method=b"GET", chunked=False)
        try:
            self._sock.send(head + reply.body, socket.MSG_DONTWAIT)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self._abandoned = True

    def abort(self) -> None:
        """Cut a stream in the middle: the missing last chunk tells the reader."""
        self._abandoned = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @property
    def owes_answer(self) -> bool:
        """Whether a request is in hand that its own thread will still answer."""
        return self.busy and not self._abandoned

    def drain(self) -> None:
        """Let this be the last request; an idle connection ends now."""
        self.draining = True
        if not self.busy:
            try:
                self._sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass


class ConnectionSet:
    """All open connections of the process, bounded."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: set[Connection] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Count it in."""
        with self._lock:
            self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        """Count it out."""
        with self._lock:
            self._open.discard(connection)

    def any_busy(self) -> bool:
        """Whether an answer is still owed or on its way out."""
        with self._lock:
            return any(connection.owes_answer for connection in self._open)

    def drain(self) -> None:
        """Ask every connection to end after what it has in hand."""
        with self._lock:
            open_now = list(self._open)
        for connection in open_now:
            connection.drain()
