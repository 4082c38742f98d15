"""The threads that read requests and run handlers, taking turns at one epoll.

One thread, the leader, polls; when a request is whole it runs the handler at once, itself. Most
handlers are done in microseconds, and then nothing was handed over: four times the throughput of a
thread per connection, because no two threads want the interpreter's lock. A handler that takes
longer than a tick is noticed by the sentinel, which makes another thread leader; the slow one ends
its request on its own. When handlers are mostly slow, the leader steps down before it calls one.

The listening socket belongs to the node and outlives this process: it is never shut down, only
left alone, so that what queues in it is accepted by the successor.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from _queue import SimpleQueue
from collections import deque
from contextlib import suppress

from casemate_runtime import logs
from casemate_runtime.call import DeadlineExceeded
from casemate_runtime.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from casemate_runtime.connection import Application

# What upstream's own tests run with: smaller ones crash in deeply nested C calls. Only touched
# pages count, so this costs address space and no memory.
STACK_BYTES = 8 * 1024 * 1024
BACKLOG = 512
# Idle ones cost a few kilobytes each.
CONNECTION_LIMIT = 512

# Handlers faster than this never cost a change of threads; slower ones delay others by two ticks,
# twice, until the crew has learned that they are slow.
TICK_SECONDS = 0.004
# A handler that computes is left in place for longer: threads that compete for the interpreter slow
# each other down until all of them look slow. After this many ticks the others get their turn too.
COMPUTING_TICKS = 12
COMPUTING_SHARE = 0.6
SLOW_STEP = 0.3
SLOW_DECAY = 0.8
SLOW_ENOUGH = 0.5
# In the slow mode every 16th handler is tried in place, to notice when they have become fast.
PROBE_EVERY = 16
SWEEP_SECONDS = 2.0
EXIT_INTERNAL = 70


def open_listener(descriptor: int | None, port: int) -> socket.socket:
    """Take over the node's socket, or bind a TCP port where there is none (Kubernetes)."""
    if descriptor is None:
        return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)
    os.set_inheritable(descriptor, False)  # noqa: FBT003
    return socket.socket(fileno=descriptor)


class Pace:
    """Tells whether the process computed or waited since it was last asked."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    def computing(self) -> bool:
        """Whether the interpreter was busy: then a second thread would only compete for it."""
        wall, cpu = time.monotonic(), time.process_time()
        busy = cpu - self._cpu > COMPUTING_SHARE * (wall - self._wall)
        self._wall, self._cpu = wall, cpu
        return busy


class Crew:
    """Serves one listening socket until it is stopped."""

    def __init__(
        self,
        sock: socket.socket,
        application: Application,
        *,
        thread_limit: int,
        body_limit_bytes: int,
        name: str,
    ) -> None:
        self._sock = sock
        self._tcp = sock.family != socket.AF_UNIX
        self._application = application
        self._thread_limit = thread_limit
        self._body_limit_bytes = body_limit_bytes
        self._name = name
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._connections: dict[int, Connection] = {}
        self._events: deque[tuple[int, int]] = deque()
        # Held by the leader; whoever gets it is the next one.
        self._baton = threading.Lock()
        self._members = threading.Lock()
        self._threads = 0
        self._resting = 0
        # The token of the handler that the leader runs. Who pops it decides whether the leader
        # is still the leader: itself when the handler returns, or the sentinel before that.
        self._turn: list[None] | None = None
        self._sentinel_sleeps = False
        self._alarm: SimpleQueue[None] = SimpleQueue()
        self._slowness = 0.0
        self._since_probe = 0
        self._swept = 0.0
        self._stopped = False
        self._full = False

    def start(self) -> None:
        """Begin to serve."""
        self._sock.settimeout(0)
        self._epoll.register(self._sock.fileno(), select.EPOLLIN)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._add_thread()
        if self._thread_limit > 1:
            name = f"{self._name}-sentinel"
            threading.Thread(target=self._watch, name=name, daemon=True).start()

    def stop(self) -> None:
        """Accept no more and let every connection end after what it has in hand."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def busy(self) -> bool:
        """Whether an answer is still owed that its own thread will give."""
        return any(connection.owes_answer for connection in list(self._connections.values()))

    def empty(self) -> bool:
        """Whether no connection is open."""
        return not self._connections

    # Threads

    def _add_thread(self) -> bool:
        """Add one more; false where the limit, ours or the sandbox's, is reached."""
        with self._members:
            if self._threads >= self._thread_limit:
                return False
            self._threads += 1
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            with self._members:
                self._threads -= 1
            return False
        return True

    def _work(self) -> None:
        while True:
            with self._members:
                self._resting += 1
            self._baton.acquire()
            with self._members:
                self._resting -= 1
            try:
                self._lead()
            except DeadlineExceeded:
                # An interruption that came after its call; the call is over, the thread is not.
                continue
            except BaseException as error:  # noqa: BLE001  a defect of ours, never of the handler
                logs.write_exception(error, "")
                os._exit(EXIT_INTERNAL)

    def _has_successor(self) -> bool:
        """Whether a thread is there, or can be made, that would lead on."""
        return self._resting > 0 or self._add_thread()

    def _watch(self) -> None:
        """Depose a leader whose handler is still running after a whole tick (the sentinel)."""
        last = None
        ticks = 0
        pace = Pace()
        while True:
            turn = self._turn
            if turn is None:
                self._sentinel_sleeps = True
                # Looked at again: the leader may have begun before it could see the flag.
                if self._turn is None:
                    self._alarm.get()
                self._sentinel_sleeps = False
                continue
            computing = pace.computing()
            ticks = ticks + 1 if turn is last else 0
            late = ticks >= (COMPUTING_TICKS if computing else 1)
            if late and turn and self._has_successor():
                self._depose(turn, blocked=not computing)
            last = turn
            time.sleep(TICK_SECONDS)

    def _depose(self, turn: list[None], *, blocked: bool) -> None:
        try:
            turn.pop()
        except IndexError:
            # The handler has just returned.
            return
        if blocked:
            self._slowness = min(1.0, self._slowness + SLOW_STEP)
        self._baton.release()

    # Leading

    def _lead(self) -> None:
        """Poll and serve until another thread leads."""
        events = self._events
        while True:
            if not events:
                self._turn = None
                events.extend(self._epoll.poll(SWEEP_SECONDS if self._connections else None))
                self._sweep()
                continue
            descriptor, _ = events.popleft()
            connection = self._connections.get(descriptor)
            if connection is None:
                self._attend_own(descriptor)
            elif not self._attend(connection):
                return

    def _attend(self, connection: Connection) -> bool:
        """Read, and serve what is whole; false when the baton was given away."""
        if connection.in_service and self._park(connection):
            return True
        if not connection.receive():
            self._close(connection)
            return True
        while connection.has_request:
            connection.in_service = True
            if self._steps_down():
                self._baton.release()
                self._serve_apart(connection)
                return False
            turn = self._turn = [None]
            if self._sentinel_sleeps:
                self._sentinel_sleeps = False
                self._alarm.put(None)
            alive = connection.serve(self._application)
            try:
                turn.pop()
            except IndexError:
                self._serve_apart(connection, alive=alive)
                return False
            self._slowness *= SLOW_DECAY
            connection.in_service = False
            if not alive:
                self._close(connection)
                return True
        return True

    def _steps_down(self) -> bool:
        """Whether to hand over before the handler runs: they are slow, and a successor is there."""
        if self._slowness < SLOW_ENOUGH:
            return False
        self._since_probe += 1
        if self._since_probe >= PROBE_EVERY:
            self._since_probe = 0
            return False
        return self._has_successor()

    def _serve_apart(self, connection: Connection, *, alive: bool = True) -> None:
        """Serve what is left as an ordinary thread, then give the connection back."""
        while alive and connection.has_request:
            alive = connection.serve(self._application)
        if not alive:
            # Still in service: the leader keeps its hands off until the number is free again.
            self._close(connection)
            return
        with self._members:
            connection.in_service = False
            if connection.parked:
                connection.parked = False
                self._epoll.register(connection.descriptor, select.EPOLLIN)

    def _park(self, connection: Connection) -> bool:
        """Stop polling a connection that another thread serves; false if that just ended."""
        with self._members:
            if not connection.in_service:
                return False
            if not connection.parked:
                connection.parked = True
                with suppress(OSError):
                    self._epoll.unregister(connection.descriptor)
            return True

    def _attend_own(self, descriptor: int) -> None:
        if descriptor == self._wake:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            if self._stopped:
                with suppress(OSError):
                    self._epoll.unregister(self._sock.fileno())
                for connection in list(self._connections.values()):
                    connection.drain()
        elif descriptor == self._sock.fileno() and not self._stopped:
            self._accept()

    def _accept(self) -> None:
        """Take everybody who waits.

        One at a time, each would wait for a whole round of handlers per caller before it: with 64
        callers of a handler that computes for a millisecond the last one waited for 1.4 s.
        """
        while not self._full and self._accept_one():
            pass

    def _accept_one(self) -> bool:
        try:
            sock, _ = self._sock.accept()
        except OSError as error:
            # Nobody waits, or was taken by the predecessor, or reset while it queued.
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                # User code holds them all; without a pause this thread would spin.
                time.sleep(TICK_SECONDS)
            return False
        if self._tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self._body_limit_bytes)
        self._connections[connection.descriptor] = connection
        self._epoll.register(connection.descriptor, select.EPOLLIN)
        if len(self._connections) >= CONNECTION_LIMIT:
            # The rest waits in the node's backlog until one closes.
            self._full = True
            self._epoll.unregister(self._sock.fileno())
        return True

    def _close(self, connection: Connection) -> None:
        with self._members:
            # Before the descriptor's number can be given to a new connection.
            self._connections.pop(connection.descriptor, None)
            if not connection.parked:
                with suppress(OSError):
                    # A child process may hold a copy: closing alone would not end the polling.
                    self._epoll.unregister(connection.descriptor)
        connection.close()
        if self._full and not self._stopped:
            with suppress(OSError):
                self._epoll.register(self._sock.fileno(), select.EPOLLIN)
            self._full = False

    def _sweep(self) -> None:
        """Close connections whose peer sends too slowly or nothing at all."""
        now = time.monotonic()
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for connection in list(self._connections.values()):
            if not connection.in_service and connection.overdue(now):
                self._close(connection)
