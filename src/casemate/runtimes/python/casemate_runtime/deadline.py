"""Ends calls that overrun: the caller is answered at once, then the work is stopped.

Three steps, each for what the step before cannot stop. An exception is raised in the handler's
thread (or its task cancelled). Work that still runs after GRACE_SECONDS, in a system call or behind
an `except:` of its own, makes the process retire. Code that holds the interpreter's lock lets no
thread of ours run at all: for that a C timer of faulthandler is kept wound up while calls are in
flight, and ends the process when nobody winds it any more.
"""

from __future__ import annotations

import faulthandler
import threading
import time

from casemate_runtime.call import Call, DeadlineExceeded
from casemate_runtime.reply import problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_SECONDS = 0.25
RETRY_SECONDS = 0.05
# Never shorter: a machine that starves the process for a moment is no blocked interpreter.
STALL_SECONDS_MIN = 3.0
HEARTBEAT_SECONDS_MAX = 5.0


class DeadlineKeeper:
    """Knows every call in flight; one thread of its own acts on those that are late."""

    def __init__(self, timeout_seconds: float, retire: Callable[[str], None]) -> None:
        self.timeout_seconds = timeout_seconds
        # All calls have the same timeout, so the order of arrival is the order of deadlines.
        self.in_flight: dict[Call, None] = {}
        self._retire = retire
        self._heartbeat = min(HEARTBEAT_SECONDS_MAX, max(timeout_seconds / 4, 0.05))
        self._stall = max(STALL_SECONDS_MIN, timeout_seconds + self._heartbeat)
        self._wound = False
        self._winding = threading.Lock()

    def begin(self, call: Call) -> None:
        """Watch a call from now on."""
        self.in_flight[call] = None
        if not self._wound:
            # The first call after a rest may be the one that blocks the interpreter.
            self._wind()

    def start(self) -> None:
        """Start watching."""
        threading.Thread(target=self._watch, name="casemate-deadline", daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._wind()
            first = next(iter(list(self.in_flight)), None)
            now = time.monotonic()
            if first is not None and first.deadline <= now:
                self._expire(first)
                continue
            due = now + self._heartbeat if first is None else first.deadline
            time.sleep(min(self._heartbeat, max(due - now, 0.001)))

    def _wind(self) -> None:
        """Keep the C timer ahead of us while there is work; an idle instance has none."""
        with self._winding:
            if not self.in_flight and self._wound:
                self._wound = False
                faulthandler.cancel_dump_traceback_later()
            # Looked at again: a call that began after the test above saw the flag still up.
            if self.in_flight:
                faulthandler.dump_traceback_later(self._stall, exit=True, file=2)
                self._wound = True

    def _expire(self, call: Call) -> None:
        self.in_flight.pop(call, None)
        if not call.claim():
            # Answered in this very moment; if it goes on as a stream it is looked at again.
            if not call.finished:
                call.deadline = time.monotonic() + RETRY_SECONDS
                threading.Thread(target=self._expire_later, args=(call,), daemon=True).start()
            return
        call.settled = threading.Event()
        threading.Thread(target=self._end, args=(call,), daemon=True).start()

    def _expire_later(self, call: Call) -> None:
        while not call.finished:
            time.sleep(RETRY_SECONDS)
            if call.claim():
                call.settled = threading.Event()
                self._end(call)
                return

    def _end(self, call: Call) -> None:
        """Answer, stop the work, and retire if it does not stop."""
        if call.streaming:
            call.connection.abort()
        else:
            call.connection.answer_late(problem(408, "the Function took too long", call.request_id))
        limit = time.monotonic() + GRACE_SECONDS
        while not call.finished:
            interrupt(call)
            time.sleep(RETRY_SECONDS / 2)
            if time.monotonic() > limit and not call.finished:
                self._retire("DeadlineExceeded")
                return
        if call.settled is not None:
            call.settled.set()


def interrupt(call: Call) -> None:
    """Raise DeadlineExceeded in the call's thread, or cancel its task."""
    task = call.task
    if task is not None:
        task.get_loop().call_soon_threadsafe(task.cancel)
        return
    import ctypes  # noqa: PLC0415  0.4 MB that only a late call pays

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(call.thread_id), ctypes.py_object(DeadlineExceeded)
    )
