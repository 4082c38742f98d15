"""What runs -> what the API shows of it: statuses, Pods, and which revision has served.

The node says only that something changed. Each round compares every Function with what was seen of
it the last time, so a word that was lost or doubled does no harm, and many words cost one round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from casemate.api.meta import FunctionRef
from casemate.controller.observation import Observed
from casemate.engine.objects import Objects
from casemate.engine.pod_view import Instance, PodView
from casemate.engine.revision_history import RevisionHistory
from casemate.errors import CasemateError
from casemate.node.pod_worker import WorkerStatus

# A start brings several words within milliseconds. Short beside the time a sandbox needs.
_PAUSE_SECONDS = 0.02
# A round over 10,000 Functions costs some 50 ms: rounds may take a fifth of the time, no more.
_REST_PER_ROUND = 4.0


class Running(Protocol):
    """What is asked of the runner."""

    def observe(self, ref: FunctionRef) -> Observed:
        """Say what runs now."""

    def worker_status(self, ref: FunctionRef) -> WorkerStatus | None:
        """Return the serving worker's own words, if there is one."""


class Observations:
    """One worker per engine; `notify` may be called as often as one likes."""

    def __init__(
        self,
        objects: Objects,
        running: Running,
        pods: PodView,
        history: RevisionHistory,
        *,
        template: Callable[[FunctionRef, str], Mapping[str, Any]],
        look_again: Callable[[FunctionRef], None],
    ) -> None:
        """`template` gives a revision's Pod template, `look_again` compares a status."""
        self._objects = objects
        self._running = running
        self._pods = pods
        self._history = history
        self._template = template
        self._look_again = look_again
        self._seen: dict[FunctionRef, tuple[str, Observed]] = {}
        self._wanted = asyncio.Event()
        self._log = structlog.get_logger("observations")

    def notify(self) -> None:
        """Say that something may have changed."""
        self._wanted.set()

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._wanted.clear()
            started = loop.time()
            await self._round()
            await asyncio.sleep((loop.time() - started) * _REST_PER_ROUND)

    async def _round(self) -> None:
        there = self._objects.refs()
        for ref in there:
            stored = self._objects.read(ref)
            observed = self._running.observe(ref)
            uid = stored.uid if stored is not None else ""
            if self._seen.get(ref) == (uid, observed):
                continue
            self._seen[ref] = (uid, observed)
            self._look_again(ref)
            await self._told(ref, observed)
        for ref in set(self._seen).difference(there):
            uid, _ = self._seen.pop(ref)
            self._history.forget(ref, uid)
            await self._pods.show(ref, None)

    async def _told(self, ref: FunctionRef, observed: Observed) -> None:
        try:
            await self._show(ref, observed)
        except CasemateError as error:
            self._log.warning("not shown", function=str(ref), why=error.message)
            self._seen.pop(ref, None)
        except Exception:  # noqa: BLE001  # one Function must not end it for all
            self._log.exception("not shown", function=str(ref))

    async def _show(self, ref: FunctionRef, observed: Observed) -> None:
        stored = self._objects.read(ref)
        if stored is None:
            return
        worker = self._running.worker_status(ref)
        last = worker.last_termination if worker is not None else None
        template = self._template(ref, observed.revision or "")
        await self._pods.show(ref, Instance(stored, observed, template, last))
        if observed.ready > 0 and observed.revision is not None:
            await self._history.served(stored, observed.revision)


__all__ = ["Observations", "Running"]
