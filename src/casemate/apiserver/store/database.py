"""The store: reads from memory, writes through SQLite, events to watchers.

Acknowledged means durable: a write is answered, visible and told only after its commit, in the
order of its resourceVersion. The counter of revisions is one for all kinds, is stored with each
batch, and never comes from a clock.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

from casemate.apiserver.resource import GroupResource, Tree
from casemate.apiserver.store.data_dir import DataDirLock
from casemate.apiserver.store.failures import StoreBroken, StoreFull
from casemate.apiserver.store.history import History, Subscription
from casemate.apiserver.store.objects import (
    EventType,
    ObjectKey,
    Snapshot,
    StoredObject,
    StoreEvent,
)
from casemate.apiserver.store.opening import open_database
from casemate.apiserver.store.writer import KeyTaken, Stale, Write, Writer, WriterState


class Store:
    """All objects of one engine. Every method is called on the loop's thread."""

    def __init__(self, state: WriterState, lock: DataDirLock | None = None) -> None:
        """Made by `open`."""
        self._lock = lock
        self._objects = dict(state.current)
        self._sorted: dict[GroupResource, list[ObjectKey]] = {}
        for key in sorted(self._objects):
            self._sorted.setdefault(key.group_resource, []).append(key)
        self.revision = state.revision
        self._history = History(state.revision)
        self._writer = Writer(state, self._committed)

    @classmethod
    async def open(
        cls,
        path: Path | None,
        *,
        encrypt: Collection[GroupResource] = (),
        keys: Path | None = None,
    ) -> Self:
        """Open or create `<data_dir>/store.sqlite`; None keeps everything in memory.

        Bodies of `encrypt` are sealed at rest with the keyring `keys`, if not said otherwise
        `<data_dir>/keys/encryption.key`, which is made for a new store.
        Raises DataDirInUse, StoreCorrupted, StoreTooNew, EncryptionKeyRefused, StoreBroken.
        """
        lock = DataDirLock(path.parent) if path is not None else None
        try:
            state = await asyncio.to_thread(open_database, path, encrypt, keys)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return cls(state, lock)

    def get(self, key: ObjectKey) -> StoredObject | None:
        """Return one object."""
        return self._objects.get(key)

    def list(self, group_resource: GroupResource, namespace: str | None = None) -> Snapshot:
        """Return the objects of a resource, of one namespace or all."""
        keys = self._sorted.get(group_resource, [])
        if namespace is not None:
            start = bisect_left(keys, ObjectKey(*group_resource, namespace, ""))
            end = bisect_left(keys, ObjectKey(*group_resource, namespace + "\0", ""))
            keys = keys[start:end]
        return Snapshot(tuple(self._objects[key] for key in keys), self.revision)

    async def create(self, key: ObjectKey, tree: Tree) -> StoredObject:
        """Store a new object. Raises KeyTaken, StoreFull, StoreBroken."""
        return await self._submit(key, tree, 0, delete=False)

    async def replace(self, key: ObjectKey, tree: Tree, *, expected: int) -> StoredObject:
        """Replace the object of that revision. Raises Stale, StoreFull, StoreBroken."""
        return await self._submit(key, tree, expected, delete=False)

    async def delete(
        self, key: ObjectKey, *, expected: int, tree: Tree | None = None
    ) -> StoredObject:
        """Delete the object of that revision; returns its last state, with a new revision."""
        return await self._submit(key, tree, expected, delete=True)

    def watch(
        self, group_resource: GroupResource, namespace: str | None, since: int | None
    ) -> Subscription:
        """Follow a resource from after `since`, None: from now. Raises Compacted."""
        return self._history.watch(group_resource, namespace, since)

    async def close(self) -> None:
        """Write what is queued and end every watch; safe to repeat."""
        self._history.close()
        await self._writer.close()
        if self._lock is not None:
            self._lock.release()

    async def _submit(
        self, key: ObjectKey, tree: Tree | None, expected: int, *, delete: bool
    ) -> StoredObject:
        answer: asyncio.Future[StoredObject] = asyncio.get_running_loop().create_future()
        self._writer.submit(Write(key, tree, expected, delete, answer))
        # A caller that is cancelled must not take back a write that is on its way.
        return await asyncio.shield(answer)

    def _committed(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if write.result is None:
                continue
            self.revision = write.result.resource_version
            keys = self._sorted.setdefault(write.key.group_resource, [])
            kind = EventType.MODIFIED
            if write.delete:
                kind = EventType.DELETED
                del self._objects[write.key]
                del keys[bisect_left(keys, write.key)]
            else:
                if write.key not in self._objects:
                    kind = EventType.ADDED
                    insort(keys, write.key)
                self._objects[write.key] = write.result
            self._history.append(StoreEvent(kind, write.result, write.previous))


__all__ = ["KeyTaken", "Stale", "Store", "StoreBroken", "StoreFull"]
