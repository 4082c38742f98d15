"""Writes each Function's status when it differs from what is stored, and tells changes as Events.

A look computes the whole status from what is observed now and compares it with the object, so a
lost or a doubled wake-up does no harm. A write that loses a race is not repeated: the object that
won brings a new look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from casemate import clock
from casemate.api.conditions import Condition, ConditionStatus
from casemate.api.function import FunctionAddress, FunctionStatus
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Configured, Observed
from casemate.controller.queue import KeyQueue
from casemate.controller.status import conditions
from casemate.controller.stored_function import StoredFunction
from casemate.errors import CasemateError

# States that follow each other within this time are written as one: a start takes longer.
_SETTLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a Function's status is computed from."""

    stored: StoredFunction
    configured: Configured
    observed: Observed
    address: FunctionAddress


class StatusSink(Protocol):
    """Where statuses and Events go."""

    async def write_status(self, stored: StoredFunction, status: FunctionStatus) -> None:
        """Store the status of this Function, if it is still the same object."""

    async def record(self, stored: StoredFunction, kind: str, reason: str, message: str) -> None:
        """Tell an Event; `kind` is Normal or Warning. Never raises: an Event is only a note."""


def function_status(seen: Seen, now: str) -> FunctionStatus:
    """Compute a status; `now` (RFC 3339) becomes the transition time of what changed."""
    stored, configured, before = seen.stored, seen.configured, seen.stored.status
    found = conditions(
        stored.runtime,
        configured,
        seen.observed,
        previous=(before.conditions or ()) if before else (),
        now=now,
    )
    spec = stored.function.spec if stored.function else None
    return FunctionStatus(
        observed_generation=configured.generation,
        runtime=stored.runtime,
        runtime_image_override=spec.runtime_image_override if spec else None,
        replicas=seen.observed.ready,
        ready_replicas=seen.observed.ready,
        pod_selector=f"serverless.kyma-project.io/function-name={stored.ref.name}",
        conditions=found,
        address=seen.address,
        revision=configured.revision or (before.revision if before else None),
        relaxed_fields=configured.relaxed_fields or None,
    )


class StatusWriter:
    """One worker per engine; `look_again` may be called as often as one likes."""

    def __init__(self, see: Callable[[FunctionRef], Seen | None], sink: StatusSink) -> None:
        """`see` returns None for a Function that is gone or was not looked at yet."""
        self._see = see
        self._sink = sink
        self._queue: KeyQueue[FunctionRef] = KeyQueue()
        self._log = structlog.get_logger("status")

    def look_again(self, ref: FunctionRef) -> None:
        """Compare the status of `ref` soon."""
        self._queue.add_after(ref, _SETTLE_SECONDS)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                ref = await self._queue.get()
                try:
                    await self._settle(ref)
                    self._queue.forget(ref)
                except CasemateError as error:
                    self._log.warning("status not written", function=str(ref), why=error.message)
                    self._queue.retry(ref)
                except Exception:  # noqa: BLE001  # one Function must not end it for all
                    self._log.exception("status not written", function=str(ref))
                    self._queue.retry(ref)
                finally:
                    self._queue.done(ref)
        finally:
            self._queue.close()

    async def _settle(self, ref: FunctionRef) -> None:
        seen = self._see(ref)
        if seen is None:
            return
        status = function_status(seen, clock.rfc3339(clock.now()))
        old = seen.stored.status
        if old is not None and old.wire() == status.wire():
            return
        await self._sink.write_status(seen.stored, status)
        before = (old.conditions or ()) if old else ()
        for condition in _changed(before, status.conditions or ()):
            kind = "Warning" if _is_trouble(condition) else "Normal"
            await self._sink.record(seen.stored, kind, condition.reason, condition.message)


def _changed(before: Iterable[Condition], after: Iterable[Condition]) -> Iterable[Condition]:
    known = {(one.type, one.status, one.reason) for one in before}
    return [one for one in after if (one.type, one.status, one.reason) not in known]


def _is_trouble(condition: Condition) -> bool:
    return condition.status is ConditionStatus.FALSE or condition.type in {
        "SecurityRelaxed", "RuntimeOutdated", "EnforcementDegraded",
    }  # fmt: skip


__all__ = ["Seen", "StatusSink", "StatusWriter", "function_status"]
