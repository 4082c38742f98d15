"""The one thread that writes: what waits is written together, under one transaction and one fsync.

A write is checked against what is stored and against the writes before it in the same batch. It is
answered after the commit, in the order of the revisions, on the loop's thread; a batch that cannot
be committed fails whole and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from casemate.apiserver.resource import Tree
from casemate.apiserver.store.objects import ObjectKey, StoredObject
from casemate.errors import CasemateError, Unavailable

# One transaction of 512 objects is some megabytes: far from what the WAL would suffer from.
_MOST_IN_BATCH = 512


class StoreFull(Unavailable):
    """The disk has no room; nothing of the write was kept."""

    code = "StoreFull"


class StoreBroken(Unavailable):
    """The database cannot be written or read."""

    code = "StoreBroken"


class KeyTaken(CasemateError):
    """An object of that key exists."""

    code = "KeyTaken"
    exit_code = 1


class Stale(CasemateError):
    """What was to be replaced is not what is stored."""

    code = "StaleWrite"
    exit_code = 1


@dataclass(slots=True)
class Write:
    """One wanted change. `expected` 0: must not exist."""

    key: ObjectKey
    tree: Tree | None
    expected: int
    delete: bool
    answer: asyncio.Future[StoredObject]
    result: StoredObject | None = None
    previous: StoredObject | None = None


Save = Callable[[sqlite3.Connection, Write, StoredObject], None]


@dataclass(slots=True)
class WriterState:
    """What the writer's thread alone touches once it runs."""

    connection: sqlite3.Connection
    revision: int
    current: dict[ObjectKey, StoredObject] = field(default_factory=dict)


class Writer:
    """Owns the connection; `submit` from the loop, results come back to the loop."""

    def __init__(self, state: WriterState, save: Save, done: Callable[[list[Write]], None]) -> None:
        """`save` writes one row; `done` hears each committed batch on the loop's thread."""
        self._state = state
        self._save = save
        self._done = done
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Queue a write; its `answer` is set later."""
        self._queue.put(write)

    async def close(self) -> None:
        """Write what is queued, then end the thread and the connection."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        ending = False
        while not ending:
            batch = [self._queue.get()]
            while len(batch) < _MOST_IN_BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            ending = None in batch
            self._commit([write for write in batch if write is not None])
        self._state.connection.close()

    def _commit(self, writes: list[Write]) -> None:
        if not writes:
            return
        state = self._state
        start = state.revision
        refused: list[tuple[Write, CasemateError]] = []
        pending: dict[ObjectKey, StoredObject | None] = {}
        try:
            with state.connection:
                state.connection.execute("BEGIN IMMEDIATE")
                for write in writes:
                    self._stage(write, pending, refused)
                state.connection.execute(
                    "UPDATE meta SET value = ? WHERE name = 'revision'", (str(state.revision),)
                )
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            state.revision = start
            failure = _failure(error)
            self._tell(lambda: _fail(writes, failure))
            return
        for key, stored in pending.items():
            if stored is None:
                state.current.pop(key, None)
            else:
                state.current[key] = stored
        accepted = [write for write in writes if write.result is not None]
        self._tell(lambda: self._answer(accepted, refused))

    def _stage(
        self,
        write: Write,
        pending: dict[ObjectKey, StoredObject | None],
        refused: list[tuple[Write, CasemateError]],
    ) -> None:
        state = self._state
        stored = pending[write.key] if write.key in pending else state.current.get(write.key)
        found = stored.resource_version if stored is not None else 0
        if found != write.expected:
            taken = write.expected == 0
            refused.append((write, KeyTaken("exists") if taken else Stale("changed meanwhile")))
            return
        state.revision += 1
        tree = write.tree if write.tree is not None else stored.tree() if stored else {}
        result = StoredObject.of(write.key, tree, state.revision)
        self._save(state.connection, write, result)
        write.result, write.previous = result, stored
        pending[write.key] = None if write.delete else result

    def _answer(self, accepted: list[Write], refused: list[tuple[Write, CasemateError]]) -> None:
        self._done(accepted)
        for write in accepted:
            if not write.answer.done() and write.result is not None:
                write.answer.set_result(write.result)
        for write, error in refused:
            if not write.answer.done():
                write.answer.set_exception(error)

    def _tell(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def _fail(writes: list[Write], failure: CasemateError) -> None:
    for write in writes:
        if not write.answer.done():
            write.answer.set_exception(type(failure)(failure.message, hint=failure.hint))


def _failure(error: Exception) -> CasemateError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or (code is not None and code & 0xFF == sqlite3.SQLITE_IOERR):
        return StoreFull("the disk has no room for the change", hint="free some space; try again")
    return StoreBroken(f"the store cannot be written: {type(error).__name__}")
