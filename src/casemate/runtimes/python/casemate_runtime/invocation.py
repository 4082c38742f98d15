"""Calls the user's handler: in this thread, in a fresh one, or on the event loop.

A plain function runs where its bytes were read. What it returns is awaited on one shared event loop
if it can be. Functions whose own code makes `threading.local` objects get a thread per request, as
they had under Kyma: on reused threads one caller's values would be there for the next.
"""

from __future__ import annotations

import sys
import threading
from types import CoroutineType

from casemate_runtime.call import DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from casemate_runtime.call import Call


class ThreadLocalWatch:
    """Notices when code of the Function or its packages makes a `threading.local`."""

    def __init__(self, *folders: str) -> None:
        self.found = False
        self._folders = folders

    def install(self) -> None:
        """Stand in for `threading.local`; must be in place before user code is imported."""
        watch = self
        original = threading.local

        class local(original):  # type: ignore[valid-type, misc]  # noqa: N801  stands in for it
            def __new__(cls, *args: object, **kwargs: object) -> object:
                caller = sys._getframe(1).f_code.co_filename  # noqa: SLF001  the only way to know
                if caller.startswith(watch._folders):
                    watch.found = True
                return original.__new__(cls, *args, **kwargs)

        local.__qualname__ = "local"
        threading.local = local  # type: ignore[misc]


def run_in_fresh_thread(work: Callable[[], object]) -> None:
    """Run `work` in a thread that no other request used or will use, and wait for it."""
    thread = threading.Thread(target=work, name="casemate-request", daemon=True)
    thread.start()
    thread.join()


class EventLoop:
    """One asyncio loop in a thread of its own, started with the first awaitable."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def wait(self, awaitable: Awaitable[object], call: Call) -> object:
        """Run it as a task in the caller's context and block until it ends."""
        import asyncio  # noqa: PLC0415  8 MB that only async handlers pay
        from contextvars import copy_context  # noqa: PLC0415

        loop = self._started_loop()
        done = threading.Event()
        context = copy_context()

        async def outcome() -> object:
            return await awaitable

        def begin() -> None:
            coroutine = awaitable if type(awaitable) is CoroutineType else outcome()
            call.task = loop.create_task(coroutine, context=context)
            call.task.add_done_callback(lambda _: done.set())

        loop.call_soon_threadsafe(begin)
        done.wait()
        task = call.task
        call.task = None
        if task is None or (task.cancelled() and call.settled is not None):
            raise DeadlineExceeded
        try:
            return task.result()
        except asyncio.CancelledError as error:
            raise RuntimeError("the handler cancelled itself") from error

    def iterate(self, parts: AsyncIterator[object], call: Call) -> Iterator[object]:
        """Turn an async iterator into a plain one that this thread may consume."""
        try:
            while True:
                try:
                    yield self.wait(_next_part(parts), call)
                except _Exhausted:
                    return
        finally:
            closing = getattr(parts, "aclose", None)
            if closing is not None and call.settled is None:
                self.wait(closing(), call)

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio  # noqa: PLC0415

        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="casemate-asyncio", daemon=True
                ).start()
            return self._loop


class _Exhausted(Exception):
    """End of an async iterator; StopAsyncIteration may not leave a coroutine."""


async def _next_part(parts: AsyncIterator[object]) -> object:
    try:
        return await anext(parts)
    except StopAsyncIteration:
        raise _Exhausted from None
