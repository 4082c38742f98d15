"""Carries out what `owners` decides: deletes dependents, frees them, lets owners go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from casemate.apiserver.access.attributes import User
from casemate.apiserver.object_meta import FOREGROUND, metadata_of
from casemate.apiserver.owners import (
    Delete,
    DeleteDependents,
    DropOwners,
    FreeDependents,
    Owners,
    Unblock,
)
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import TooSlow
from casemate.apiserver.store.objects import EventType, ObjectKey
from casemate.apiserver.write_options import DeleteOptions, WriteOptions
from casemate.apiserver.writes import Target, Writes

_OPTIONS = WriteOptions("casemate-garbage-collector")
RETRY_SECONDS = 1.0


class GarbageCollector:
    """Watches every kind; one object at a time."""

    def __init__(
        self, store: Store, writes: Writes, resources: Iterable[Resource], user: User
    ) -> None:
        self._store = store
        self._writes = writes
        self._user = user
        stored = [one for one in resources if one.stored]
        self._resources: Mapping[tuple[str, str], Resource] = {
            (one.group, one.plural): one for one in stored
        }
        self._owners = Owners({(one.api_version, one.kind): one for one in stored}, store.get)
        self._queue: asyncio.Queue[ObjectKey] = asyncio.Queue()
        self._queued: set[ObjectKey] = set()
        self._log = structlog.get_logger("garbage")

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for resource in self._resources.values():
                group.create_task(self._follow(resource))
            group.create_task(self._work())

    async def _follow(self, resource: Resource) -> None:
        while True:
            subscription = self._store.watch(resource.group_resource, None, None)
            try:
                for stored in self._store.list(resource.group_resource).items:
                    self._owners.note(stored.key, stored.tree())
                    self._add(stored.key)
                async for event in subscription:
                    self._note(event.type, event.object.key, event.object.uid, event.object.tree)
            except TooSlow:
                continue
            finally:
                subscription.close()

    def _note(self, kind: EventType, key: ObjectKey, uid: str, tree: Callable[[], Tree]) -> None:
        if kind is EventType.DELETED:
            owners = list(_owner_keys(tree(), self._resources, key))
            self._owners.note(key, None)
            for dependent in self._owners.dependents(uid):
                self._add(dependent)
            for owner in owners:
                # An owner may wait in the foreground for exactly this one.
                self._add(owner)
            return
        self._owners.note(key, tree())
        self._add(key)

    def _add(self, key: ObjectKey) -> None:
        if key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            try:
                await self._settle(key)
            except ApiError as error:
                if error.status not in {404, 409}:
                    self._log.warning("not collected", key=str(key), reason=error.reason)
                if self._store.get(key) is not None:
                    loop.call_later(RETRY_SECONDS, self._add, key)
            except Exception:  # noqa: BLE001  # one object must not end the collection of others
                self._log.exception("not collected", key=str(key))
                loop.call_later(RETRY_SECONDS, self._add, key)

    async def _settle(self, key: ObjectKey) -> None:
        action = self._owners.action(key)
        if isinstance(action, Delete):
            stored = self._store.get(key)
            if stored is not None:
                await self._writes.delete(self._target(key), DeleteOptions(uid=stored.uid))
        elif isinstance(action, DropOwners):
            await self._drop(key, action.uids)
        elif isinstance(action, Unblock):
            await self._unblock(key, action.finalizer)
        elif isinstance(action, DeleteDependents):
            for dependent in action.keys:
                await self._delete_dependent(dependent)
        elif isinstance(action, FreeDependents):
            for dependent in action.keys:
                await self._drop(dependent, frozenset({action.uid}))
            self._add(key)

    async def _delete_dependent(self, key: ObjectKey) -> None:
        stored = self._store.get(key)
        if stored is None or metadata_of(stored.tree()).get("deletionTimestamp"):
            return
        policy = "Foreground" if self._owners.dependents(stored.uid) else "Background"
        await self._writes.delete(
            self._target(key), DeleteOptions(propagation=policy, uid=stored.uid)
        )

    async def _drop(self, key: ObjectKey, uids: frozenset[str]) -> None:
        def change(tree: Tree) -> Tree:
            metadata = metadata_of(tree)
            kept = [one for one in metadata.get("ownerReferences") or () if one["uid"] not in uids]
            metadata["ownerReferences"] = kept
            if not kept:
                del metadata["ownerReferences"]
            return tree

        if self._store.get(key) is not None:
            await self._writes.change(self._target(key), change, _OPTIONS)

    async def _unblock(self, key: ObjectKey, finalizer: str) -> None:
        def change(tree: Tree) -> Tree:
            metadata = metadata_of(tree)
            kept = [name for name in metadata.get("finalizers") or () if name != finalizer]
            metadata["finalizers"] = kept
            if not kept:
                del metadata["finalizers"]
            return tree

        await self._writes.change(self._target(key), change, _OPTIONS)

    def _target(self, key: ObjectKey) -> Target:
        resource = self._resources[key.group, key.plural]
        return Target(resource, key.namespace, key.name, self._user)


def _owner_keys(
    tree: Tree, resources: Mapping[tuple[str, str], Resource], key: ObjectKey
) -> Iterable[ObjectKey]:
    kinds = {(one.api_version, one.kind): one for one in resources.values()}
    for reference in metadata_of(tree).get("ownerReferences") or ():
        kind = kinds.get((str(reference.get("apiVersion")), str(reference.get("kind"))))
        if kind is not None:
            namespace = key.namespace if kind.namespaced else ""
            yield ObjectKey(kind.group, kind.plural, namespace, str(reference.get("name")))


__all__ = ["FOREGROUND", "GarbageCollector"]
