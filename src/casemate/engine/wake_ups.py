"""Which Functions must be looked at again when an object of the API changes: keys, nothing else.

One watch per kind. A watch that was cut off is taken up again with a look at everything, and
everything is looked at from time to time in any case, so that no lost event can last.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from casemate.api.meta import FunctionRef
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import TooSlow
from casemate.apiserver.store.objects import EventType, StoredObject, StoreEvent
from casemate.controller.queue import KeyQueue
from casemate.engine.objects import (
    CONFIG_MAPS,
    FUNCTIONS,
    NAMESPACES,
    POLICIES,
    SECRETS,
    SERVERLESSES,
    Objects,
)
from casemate.engine.references import refers_to

RESYNC_SECONDS = 600.0
# What concerns every Function is spread: 10,000 looks at once would make everybody wait.
SPREAD_SECONDS_PER_FUNCTION = 0.002
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class WakeUps:
    """Feeds a queue; `status_changed` hears of Functions whose status alone was written."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        queue: KeyQueue[FunctionRef],
        status_changed: Callable[[FunctionRef], None],
        *,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._store = store
        self._objects = objects
        self._queue = queue
        self._status_changed = status_changed
        self._resync_seconds = resync_seconds

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for of, hear in (
                (FUNCTIONS, self._function),
                (SECRETS, self._secret),
                (CONFIG_MAPS, self._config_map),
                (NAMESPACES, self._namespace),
                (POLICIES, self._surroundings),
                (SERVERLESSES, self._surroundings),
            ):
                group.create_task(self._follow(of, hear))
            group.create_task(self._resync())

    async def _follow(self, of: GroupResource, hear: Callable[[StoreEvent], None]) -> None:
        while True:
            subscription = self._store.watch(of, None, None)
            try:
                # Subscribed first: what happens from here on is an event.
                if of == FUNCTIONS:
                    self._add_all(self._objects.refs())
                async for event in subscription:
                    hear(event)
            except TooSlow:
                self._add_all(self._objects.refs())
            else:
                return
            finally:
                subscription.close()

    async def _resync(self) -> None:
        while True:
            # Jitter: of several engines on one machine not all look at the same time.
            await asyncio.sleep(self._resync_seconds * random.uniform(0.8, 1.2))  # noqa: S311
            self._spread(self._objects.refs())

    def _function(self, event: StoreEvent) -> None:
        key = event.object.key
        ref = FunctionRef(key.namespace, key.name)
        before = event.previous if event.type is EventType.MODIFIED else None
        if before is not None and _wanted(before) == _wanted(event.object):
            self._status_changed(ref)
        else:
            self._queue.add(ref)

    def _secret(self, event: StoreEvent) -> None:
        self._referring("Secret", event)

    def _config_map(self, event: StoreEvent) -> None:
        self._referring("ConfigMap", event)

    def _referring(self, kind: str, event: StoreEvent) -> None:
        key = event.object.key
        found = self._objects.functions(key.namespace)
        self._add_all([one.ref for one in found if refers_to(one, kind, key.name)])

    def _namespace(self, event: StoreEvent) -> None:
        if event.previous is None or event.previous.labels != event.object.labels:
            self._spread(self._objects.refs(event.object.key.name))

    def _surroundings(self, event: StoreEvent) -> None:
        del event
        self._spread(self._objects.refs())

    def _add_all(self, refs: list[FunctionRef]) -> None:
        for ref in refs:
            self._queue.add(ref)

    def _spread(self, refs: list[FunctionRef]) -> None:
        width = SPREAD_SECONDS_PER_FUNCTION * len(refs)
        for ref in refs:
            self._queue.add_after(ref, random.uniform(0, width))  # noqa: S311  # spreads load


def _wanted(stored: StoredObject) -> object:
    """Return what a Function's revision depends on: everything but its status and bookkeeping."""
    tree = stored.tree()
    metadata = tree["metadata"]
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key != _LAST_APPLIED
    }
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("labels"),
        annotations,
        metadata.get("deletionTimestamp"),
    )
