"""Accepts connections on the descriptor that the node bound, one thread for each.

The socket belongs to the node and outlives this process: it is never shut down, only left alone,
so that what queues in it is accepted by the successor. At the limit it is left alone too; then
every answer ends its connection, which gives those who wait a turn.
"""

from __future__ import annotations

import os
import select
import socket
import threading

from casemate_runtime.connection import Connection, ConnectionSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from casemate_runtime.connection import Application

# What upstream's own tests run with: smaller ones crash in deeply nested C calls. Only touched
# pages count, so this costs address space and no memory.
STACK_BYTES = 8 * 1024 * 1024
BACKLOG = 512
# How often a full listener looks whether there is room again.
ROOM_POLL_MILLISECONDS = 20


def open_listener(descriptor: int | None, port: int) -> socket.socket:
    """Take over the node's socket, or bind a TCP port where there is none (Kubernetes)."""
    if descriptor is None:
        return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


class Listener:
    """Accepts until it is stopped; knows the connections it made."""

    def __init__(
        self,
        sock: socket.socket,
        application: Application,
        *,
        connection_limit: int,
        body_limit_bytes: int,
    ) -> None:
        self._sock = sock
        self._tcp = sock.family != socket.AF_UNIX
        self._application = application
        self._body_limit_bytes = body_limit_bytes
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopped = False
        # Whether others wait for a place: connections are not kept alive then.
        self.crowded = False
        self.connections = ConnectionSet(connection_limit)
        sock.setblocking(False)

    def stop(self) -> None:
        """Accept no more; callable from any thread and from a signal handler."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Accept until stopped."""
        waiting = select.poll()
        waiting.register(self._sock.fileno(), select.POLLIN)
        waking = select.poll()
        waking.register(self._wake, select.POLLIN)
        both = select.poll()
        both.register(self._sock.fileno(), select.POLLIN)
        both.register(self._wake, select.POLLIN)
        while not self._stopped:
            full = len(self.connections) >= self.connections.limit
            self.crowded = full and bool(waiting.poll(0))
            if full:
                waking.poll(ROOM_POLL_MILLISECONDS)
            else:
                both.poll()
            if not self._stopped:
                self._accept()

    def _accept(self) -> None:
        while len(self.connections) < self.connections.limit:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                # Taken by the predecessor, reset while it queued, or no descriptor left.
                return
            sock.setblocking(True)
            if self._tcp:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, self._body_limit_bytes)
            self.connections.add(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="casemate-connection", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                # No thread to be had (pids limit): the caller sees a closed connection and retries.
                self.connections.discard(connection)
                sock.close()
                return

    def _serve(self, connection: Connection) -> None:
        try:
            connection.run(self._application)
        finally:
            self.connections.discard(connection)
