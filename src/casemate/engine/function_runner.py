"""Runs revisions on this machine: one `FunctionWorker` per Function, told as `Observed`.

A replacement may take as long as the Function takes to start, so it runs beside the controller,
which is told when something changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from casemate.api.function import Function
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Observed
from casemate.controller.reconciler import MadeRevision
from casemate.errors import CasemateError, Internal, NotFound
from casemate.node.function_worker import FunctionHome, FunctionWorker, ReplaceOutcome
from casemate.node.instance import SandboxLauncher, WorkerPlan
from casemate.node.log_files import LogStore
from casemate.node.log_hub import LogHub
from casemate.node.log_pump import FunctionLog
from casemate.node.observe_posture import observe_posture
from casemate.node.pod_worker import WorkerStatus
from casemate.node.posture import posture_differences
from casemate.node.worker_events import Phase

_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class RunnerHome:
    """What all Functions of this machine share."""

    launcher: SandboxLauncher
    sockets_dir: Path
    log_store: LogStore
    log_hub: LogHub


@dataclass(slots=True)
class _Running:
    """One Function as it runs here."""

    worker: FunctionWorker
    number: int
    wanted: str = ""
    sockets: tuple[str, ...] = ()
    trouble: ReplaceOutcome | None = None
    replacing: asyncio.Task[None] | None = None


class FunctionRunner:
    """The local engine's Runner (see `casemate.controller.reconciler`)."""

    def __init__(
        self,
        home: RunnerHome,
        *,
        routes_changed: Callable[[], Awaitable[None]],
        notify: Callable[[], None],
    ) -> None:
        """`routes_changed` returns when the gateway follows `sockets`; `notify` never waits."""
        self._home = home
        self._routes_changed = routes_changed
        self._notify = notify
        self._running: dict[FunctionRef, _Running] = {}
        self._count = 0
        self._log = structlog.get_logger("runner")

    async def run(self, function: Function, made: MadeRevision) -> None:
        """Start to replace what runs by `made`; does nothing if it is running already."""
        plan = made.plan
        if not isinstance(plan, WorkerPlan):
            raise Internal("the revision was not made for this engine")
        running = self._running.get(function.ref) or self._add(function.ref)
        if running.wanted == made.revision.name:
            return
        running.wanted, running.trouble = made.revision.name, None
        running.replacing = asyncio.create_task(self._replace(running, plan))

    async def remove(self, ref: FunctionRef) -> None:
        """Take the routes away, finish what was accepted, forget the Function."""
        running = self._running.pop(ref, None)
        if running is None:
            return
        await self._routes_changed()
        await running.worker.drain()

    async def stop(self) -> None:
        """End everything at once."""
        ending = [running.worker.stop() for running in self._running.values()]
        self._running.clear()
        await asyncio.gather(*ending, return_exceptions=True)

    def observe(self, ref: FunctionRef) -> Observed:
        """Say what runs now."""
        running = self._running.get(ref)
        serving = running.worker.serving if running else None
        if running is None or serving is None:
            return Observed()
        status = serving.status
        trouble = running.trouble
        message = trouble.message if trouble and not status.message else status.message
        return Observed(
            revision=status.revision,
            ready=int(status.phase is Phase.READY),
            phase=status.phase.value,
            reason=status.reason,
            message=message,
            restarts=status.restarts,
            gaps=tuple(
                f"{gap.resource}: {gap.consequence} (to change that: {gap.remedy})"
                for gap in serving.plan.sandbox.gaps
            ),
        )

    def sockets(self, ref: FunctionRef) -> tuple[str, ...]:
        """Return where requests for `ref` go."""
        running = self._running.get(ref)
        return running.sockets if running else ()

    async def posture(self, ref: FunctionRef) -> dict[str, Any]:
        """Compare the running sandbox with its plan. Raises NotFound when none runs."""
        running = self._running.get(ref)
        serving = running.worker.serving if running else None
        if serving is None or serving.status.init_pid is None:
            raise NotFound(f"no sandbox of {ref} is running")
        plan = serving.plan.sandbox
        observed = await asyncio.to_thread(observe_posture, serving.status.init_pid)
        threads = sum(len(process.threads) for process in observed.processes)
        return {
            "differences": list(posture_differences(plan, observed)),
            "summary": (
                f"{len(observed.processes)} processes, {threads} threads, "
                f"{len(observed.mounts)} mounts, uid {observed.uid_map[1]} on the host, "
                f"limits {_bounded(observed.cgroup_limits) or 'by rlimits and polling'}"
            ),
        }

    def _add(self, ref: FunctionRef) -> _Running:
        self._count += 1

        async def publish(status: WorkerStatus) -> None:
            running.sockets = (str(status.request_socket),)
            await self._routes_changed()

        def changed(_: WorkerStatus) -> None:
            self._notify()

        log = FunctionLog(
            ref.namespace, ref.name, store=self._home.log_store, hub=self._home.log_hub
        )
        # A number and not the name: a unix socket's path has room for 107 bytes.
        home = FunctionHome(f"f{self._count}", self._home.launcher, self._home.sockets_dir, log)
        worker = FunctionWorker(home, publish=publish, on_change=changed)
        running = self._running[ref] = _Running(worker, self._count)
        return running

    async def _replace(self, running: _Running, plan: WorkerPlan) -> None:
        try:
            outcome = await running.worker.replace(plan)
        except (CasemateError, OSError) as error:
            self._log.exception("replacing a revision failed", revision=plan.revision)
            outcome = ReplaceOutcome(replaced=False, reason="StartFailed", message=str(error))
        if running.wanted == plan.revision:
            running.trouble = None if outcome.replaced else outcome
        self._notify()


def _bounded(limits: Mapping[str, int]) -> str:
    """Write the limits that bind; a cgroup without one shows a number near 2**63."""
    return ", ".join(f"{name} {value}" for name, value in limits.items() if value < _UNLIMITED)
