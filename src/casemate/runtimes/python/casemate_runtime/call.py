"""One request in a handler's hands, and who may answer it.

The worker thread and the deadline both want to answer; `claim` lets exactly one of them. After the
deadline has claimed, it owns the call until it releases `settled`: only in that span may it raise
an exception in the worker's thread, so no later request of a reused thread is ever hit.
"""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from casemate_runtime.connection import Connection
    from casemate_runtime.request import Request


class DeadlineExceeded(BaseException):
    """Raised inside a handler whose time is up; no `except Exception` swallows it."""


class Call:
    """A request from its arrival until its answer is sent or given up."""

    __slots__ = (
        "_token",
        "connection",
        "counted",
        "deadline",
        "finished",
        "request",
        "request_id",
        "settled",
        "started",
        "streaming",
        "task",
        "thread_id",
    )

    def __init__(self, request: Request, connection: Connection, timeout_seconds: float) -> None:
        self.request = request
        self.connection = connection
        self.request_id = request.request_id()
        self.started = time.monotonic()
        self.deadline = self.started + timeout_seconds
        self.thread_id = 0
        self.task: asyncio.Task[object] | None = None
        self.streaming = False
        self.finished = False
        self.counted = False
        self.settled: threading.Event | None = None
        self._token = [None]

    def enter_thread(self) -> None:
        """Note the thread that runs the handler: the one a deadline would interrupt."""
        self.thread_id = threading.get_ident()

    def claim(self) -> bool:
        """Take the right to answer; true for the first who asks."""
        try:
            # list.pop is one step under the interpreter's lock: cheaper than a lock per request.
            self._token.pop()
        except IndexError:
            return False
        return True

    def open_stream(self) -> None:
        """Give the claim back: the head is sent, from now on a deadline cuts the connection."""
        self.streaming = True
        self._token.append(None)

    def surrender(self) -> None:
        """Wait, in the worker, until the deadline has let go of this thread."""
        while True:
            try:
                self.finished = True
                while self.settled is None or not self.settled.wait(0.05):
                    pass
                # One may still be pending: it is raised here, not in the thread's next work.
                time.sleep(0)
            except DeadlineExceeded:
                continue
            return
