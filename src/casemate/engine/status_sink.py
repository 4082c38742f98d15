"""Where statuses of Functions go on this machine: the status subresource of the local API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.function import FunctionStatus
from casemate.controller.stored_function import StoredFunction
from casemate.engine.event_records import COMPONENT, EventRecords

if TYPE_CHECKING:
    from casemate.engine.api_service import ApiService


class ApiStatusSink:
    """The local engine's StatusSink (see `casemate.controller.status_writer`)."""

    def __init__(self, api: ApiService, events: EventRecords) -> None:
        self._api = api
        self._events = events

    async def write_status(self, stored: StoredFunction, status: FunctionStatus) -> None:
        """Write the status unless the Function is gone or another one. Raises ApiError."""
        tree = self._api.get("Function", stored.ref.namespace, stored.ref.name)
        if tree is None or tree["metadata"].get("uid") != stored.uid:
            return
        await self._api.update_status(tree | {"status": status.wire()}, COMPONENT)

    async def record(self, stored: StoredFunction, kind: str, reason: str, message: str) -> None:
        """Tell an Event."""
        await self._events.record(stored, kind, reason, message)
