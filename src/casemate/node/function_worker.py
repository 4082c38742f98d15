"""Runs one Function and replaces its revision without losing a request.

A new revision gets a worker and sockets of its own. Only when it is ready is the gateway told, and
only when the gateway has answered is the old one drained: every request meets a worker that is
ready. A revision that does not become ready never takes the place of one that is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.node.instance import InstanceHome
from casemate.node.pod_worker import PodWorker
from casemate.node.sockets import WorkerSockets
from casemate.node.worker_events import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from casemate.node.instance import SandboxLauncher, WorkerPlan
    from casemate.node.log_pump import FunctionLog
    from casemate.node.pod_worker import WorkerStatus

# Reloads in quick succession each leave an old revision that finishes its requests; beyond these
# the oldest is ended, so that saving a file often does not fill the machine.
MAX_DRAINING = 2
_SETTLED = (Phase.READY, Phase.FAILED, Phase.CRASH_LOOP_BACK_OFF, Phase.DRAINING, Phase.STOPPED)


@dataclass(frozen=True, slots=True)
class ReplaceOutcome:
    """What became of a new revision."""

    replaced: bool
    """True: requests go to it now."""
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class FunctionHome:
    """What all revisions of one Function share; ids of workers start with `worker_prefix`."""

    worker_prefix: str
    launcher: SandboxLauncher
    run_dir: Path
    function_log: FunctionLog
    gateway_gid: int | None = None


class FunctionWorker:
    """The serving worker of one Function, the one that may replace it, and those that drain."""

    def __init__(
        self,
        home: FunctionHome,
        *,
        publish: Callable[[WorkerStatus], Awaitable[None]],
        on_change: Callable[[WorkerStatus], None] | None = None,
        released: Callable[[PodWorker], Awaitable[None]] | None = None,
    ) -> None:
        """`publish` routes requests to the given sockets and returns when the gateway has done so.

        `on_change` hears every worker, candidates and draining ones too: `worker_id` and
        `revision` tell them apart, and `serving` says which one counts. `released` returns when
        the gateway has no request under way with a worker that it no longer routes to.
        """
        self._home = home
        self._publish = publish
        self._on_change = on_change
        self._released = released
        self._count = 0
        self._candidate: PodWorker | None = None
        self._serving: PodWorker | None = None
        self._draining: dict[PodWorker, asyncio.Task[None]] = {}
        self._taking_over = asyncio.Lock()

    @property
    def serving(self) -> PodWorker | None:
        """The worker that requests go to; it may be starting or failed if there is no better."""
        return self._serving

    async def replace(self, plan: WorkerPlan, *, only_if_ready: bool = False) -> ReplaceOutcome:
        """Start `plan` and make it the serving revision if it becomes ready; newest call wins.

        Where nothing serves that is worth keeping, the new revision takes the place at once and
        keeps trying, as a Pod would; with `only_if_ready` it has to be ready first there too.
        """
        candidate = self._new_worker(plan)
        superseded, self._candidate = self._candidate, candidate
        # Within the lock: a candidate that is just taking over has become the serving one after it.
        async with self._taking_over:
            if superseded is not None and superseded is not self._serving:
                await superseded.stop()
        candidate.start()
        if not only_if_ready and not self._worth_keeping():
            await self._take_over(candidate)
        settled = await candidate.wait_for(*_SETTLED)
        if settled.phase is Phase.READY and self._candidate is candidate:
            await self._take_over(candidate)
            return ReplaceOutcome(replaced=True, reason="Ready")
        if self._candidate is not candidate:
            return ReplaceOutcome(replaced=False, reason="Superseded")
        self._candidate = None
        if candidate is not self._serving:
            await candidate.stop()
        return ReplaceOutcome(replaced=False, reason=settled.reason, message=settled.message)

    async def wake(self, plan: WorkerPlan) -> ReplaceOutcome:
        """Start `plan` where nothing serves; it keeps trying, as a Pod would."""
        if self._serving is not None:
            return ReplaceOutcome(replaced=False, reason="Superseded")
        worker = self._new_worker(plan)
        worker.start()
        self._serving = worker
        settled = await worker.wait_for(*_SETTLED)
        async with self._taking_over:
            if self._serving is not worker:
                return ReplaceOutcome(replaced=False, reason="Superseded")
            await self._publish(settled)
        ready = settled.phase is Phase.READY
        return ReplaceOutcome(
            replaced=ready, reason=settled.reason or settled.phase.value, message=settled.message
        )

    def retire(self) -> None:
        """Let what serves finish and be gone; the gateway knows already that nobody serves."""
        old, self._serving = self._serving, None
        if old is not None:
            self._let_drain(old)

    async def drain(self) -> None:
        """Finish what is accepted, then be gone."""
        await self._finish(PodWorker.drain)

    async def stop(self) -> None:
        """End everything at once."""
        await self._finish(PodWorker.stop)

    def _new_worker(self, plan: WorkerPlan) -> PodWorker:
        self._count += 1
        worker_id = f"{self._home.worker_prefix}-{self._count}"
        sockets = WorkerSockets(self._home.run_dir, worker_id, gateway_gid=self._home.gateway_gid)
        home = InstanceHome(plan, self._home.launcher, sockets, self._home.function_log)
        return PodWorker(worker_id, home, on_change=self._on_change)

    def _worth_keeping(self) -> bool:
        serving = self._serving
        return (
            serving is not None
            and serving.was_ready
            and serving.status.phase not in (Phase.FAILED, Phase.STOPPED)
        )

    async def _take_over(self, candidate: PodWorker) -> None:
        async with self._taking_over:
            if candidate is self._serving:
                return
            await self._publish(candidate.status)
            old, self._serving = self._serving, candidate
            if old is not None:
                self._let_drain(old)

    def _let_drain(self, old: PodWorker) -> None:
        for oldest in list(self._draining)[: len(self._draining) + 1 - MAX_DRAINING]:
            self._background(oldest, oldest.stop())
        # What was never ready holds no request that anybody waits for.
        self._background(old, self._drain_released(old) if old.was_ready else old.stop())

    async def _drain_released(self, old: PodWorker) -> None:
        # A request may be on its way in a connection that the instance would close as idle.
        if self._released is not None:
            await self._released(old)
        await old.drain()

    def _background(self, worker: PodWorker, ending: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(ending)
        self._draining[worker] = task

        def forget(done: asyncio.Task[None]) -> None:
            if self._draining.get(worker) is done:
                del self._draining[worker]

        task.add_done_callback(forget)

    async def _finish(self, end: Callable[[PodWorker], Coroutine[object, object, None]]) -> None:
        candidate, self._candidate = self._candidate, None
        if candidate is not None and candidate is not self._serving:
            await candidate.stop()
        if self._serving is not None:
            await end(self._serving)
        await asyncio.gather(*(end(worker) for worker in list(self._draining)))
