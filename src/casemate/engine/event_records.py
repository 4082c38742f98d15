"""core/v1 Events about Functions: counted instead of repeated, few, and gone after an hour.

An Event is a note for people. What fails here is logged and forgotten: nobody's work may depend on
whether it was told.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import structlog

from casemate import clock
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.objects import StoredObject
from casemate.controller.stored_function import StoredFunction
from casemate.errors import CasemateError

if TYPE_CHECKING:
    from casemate.engine.api_service import ApiService

COMPONENT = "casemate-controller"
# As Kubernetes keeps them.
KEPT_SECONDS = 3600
# ATTACK: a Function that fails in ever new words would fill the store of everybody.
# tests/unit/engine/test_event_records.py
MOST_PER_NAMESPACE = 500
_SWEEP_SECONDS = 60.0
_LONGEST_MESSAGE = 1024
_EVENTS = GroupResource("", "events")


class EventRecords:
    """Writes Events and takes old ones away."""

    def __init__(self, api: ApiService) -> None:
        self._api = api
        self._log = structlog.get_logger("events")

    async def record(self, stored: StoredFunction, kind: str, reason: str, message: str) -> None:
        """Tell something of a Function; `kind` is Normal or Warning. Never raises CasemateError."""
        message = message[:_LONGEST_MESSAGE]
        same = f"{stored.uid} {kind} {reason} {message}"
        # The same words get the same name, also from the next engine: it counts on.
        name = f"{stored.ref.name}.{hashlib.sha256(same.encode()).hexdigest()[:16]}"
        now = clock.rfc3339(clock.now())
        try:
            known = self._api.get("Event", stored.ref.namespace, name)
            first = known.get("firstTimestamp", now) if known else now
            event = _event(stored, name, kind, reason)
            count = int(known.get("count") or 1) + 1 if known else 1
            event |= {"message": message, "firstTimestamp": first, "lastTimestamp": now}
            if known is None:
                await self._make_room(stored.ref.namespace)
            await self._api.apply(event | {"count": count}, COMPONENT)
        except CasemateError as error:
            self._log.warning("event not told", function=str(stored.ref), why=error.message)

    async def run(self) -> None:
        """Delete old Events until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Delete every Event that was not told again for long."""
        oldest = clock.rfc3339(clock.from_seconds(clock.now_seconds() - KEPT_SECONDS))
        for found in self._api.store.list(_EVENTS).items:
            if _last(found) < oldest:
                await self._forget(found)

    async def _make_room(self, namespace: str) -> None:
        held = self._api.store.list(_EVENTS, namespace).items
        if len(held) < MOST_PER_NAMESPACE:
            return
        # A tenth at a time: to find the oldest, all must be read.
        for found in sorted(held, key=_last)[: len(held) - MOST_PER_NAMESPACE * 9 // 10]:
            await self._forget(found)

    async def _forget(self, found: StoredObject) -> None:
        try:
            await self._api.delete("Event", found.key.namespace, found.key.name)
        except CasemateError as error:
            self._log.warning("event not deleted", key=str(found.key), why=error.message)


def _event(stored: StoredFunction, name: str, kind: str, reason: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": stored.ref.namespace},
        "involvedObject": {
            "apiVersion": "serverless.kyma-project.io/v1alpha2",
            "kind": "Function",
            "namespace": stored.ref.namespace,
            "name": stored.ref.name,
            "uid": stored.uid,
        },
        "reason": reason,
        "type": kind,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": "local",
    }


def _last(found: StoredObject) -> str:
    tree = found.tree()
    created = tree["metadata"].get("creationTimestamp", "")
    return str(tree.get("lastTimestamp") or tree.get("eventTime") or created)
