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
from contextlib import suppress
from dataclasses import dataclass, field

from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.failures import StoreBroken, write_failure
from casemate.apiserver.store.objects import ObjectKey, StoredObject
from casemate.apiserver.store.rows import RowCodec, delete_row, write_row
from casemate.errors import CasemateError

# One transaction of 512 objects is some megabytes: far from what the WAL would suffer from.
_MOST_IN_BATCH = 512


class KeyTaken(CasemateError):
    """An object of that key exists."""

    code = "KeyTaken"
    exit_code = 1


class Unstorable(ApiError):
    """An object that has no JSON in UTF-8."""

    code = "Unstorable"

    def __init__(self, message: str) -> None:
        super().__init__(400, "BadRequest", message)


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


@dataclass(slots=True)
class WriterState:
    """What the writer's thread alone touches once it runs."""

    connection: sqlite3.Connection
    revision: int
    codec: RowCodec = field(default_factory=RowCodec)
    current: dict[ObjectKey, StoredObject] = field(default_factory=dict)


class Writer:
    """Owns the connection; `submit` from the loop, results come back to the loop."""

    def __init__(self, state: WriterState, done: Callable[[list[Write]], None]) -> None:
        """`done` hears each committed batch on the loop's thread."""
        self._state = state
        self._done = done
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Queue a write; its `answer` is set later. Raises StoreBroken when closed."""
        if self._closed:
            raise StoreBroken("the store is closed")
        self._queue.put(write)

    async def close(self) -> None:
        """Write what is queued, then end the thread and the connection; safe to repeat."""
        self._closed = True
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
            state.connection.execute("BEGIN IMMEDIATE")
            for write in writes:
                self._stage(write, pending, refused)
            state.connection.execute(
                "UPDATE meta SET value = ? WHERE name = 'revision'", (str(state.revision),)
            )
            state.connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            state.revision = start
            self._roll_back()
            cause = error
            self._tell(lambda: _fail(writes, cause))
            return
        for key, stored in pending.items():
            if stored is None:
                state.current.pop(key, None)
            else:
                state.current[key] = stored
        accepted = [write for write in writes if write.result is not None]
        self._tell(lambda: self._answer(accepted, refused))

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after most failures; what it could not write it forgets.
        with suppress(sqlite3.Error):
            if self._state.connection.in_transaction:
                self._state.connection.execute("ROLLBACK")

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
        tree = write.tree if write.tree is not None else stored.tree() if stored else {}
        try:
            result = StoredObject.of(write.key, tree, state.revision + 1)
        except (ValueError, TypeError, RecursionError):
            # ATTACK: a body that cannot be written (half a surrogate pair, endless depth) fails
            # alone, not with its batch. tests/unit/apiserver/store/test_store.py
            refused.append((write, Unstorable("the object cannot be written as JSON")))
            return
        if write.delete:
            delete_row(state.connection, write.key)
        else:
            write_row(state.connection, state.codec.row_of(result))
        state.revision += 1
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


def _fail(writes: list[Write], cause: Exception) -> None:
    for write in writes:
        if not write.answer.done():
            write.answer.set_exception(write_failure(cause))
