"""Runs revisions on this machine: one `ScaledFunction` per Function, told as `Observed`.

A start may take as long as the Function takes, so it runs beside the controller, which is told when
something changed. What the gateway says of its callers arrives here: who is wanted, who was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casemate.api.effective import scaling_bounds
from casemate.api.function import Function
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Observed
from casemate.controller.reconciler import MadeRevision
from casemate.engine.function_scale import Scale, ScaledFunction
from casemate.errors import Internal, NotFound
from casemate.node.function_worker import FunctionHome, FunctionWorker
from casemate.node.instance import SandboxLauncher, WorkerPlan
from casemate.node.log_files import LogStore
from casemate.node.log_hub import LogHub
from casemate.node.log_pump import FunctionLog
from casemate.node.observe_posture import observe_posture
from casemate.node.pod_worker import PodWorker, WorkerStatus
from casemate.node.posture import posture_differences
from casemate.node.worker_events import Phase

_UNLIMITED = 1 << 60
# Idle times are whole seconds.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Warmth:
    """How willing this engine is to run what nobody asks for."""

    start_at_once: bool = False
    """Start on apply, so that whoever edits sees at once whether the code loads."""
    least_idle_seconds: float = 0.0


ON_REQUEST = Warmth()
FOR_A_DEVELOPER = Warmth(start_at_once=True, least_idle_seconds=300.0)


@dataclass(frozen=True, slots=True)
class RunnerHome:
    """What all Functions of this machine share."""

    launcher: SandboxLauncher
    sockets_dir: Path
    log_store: LogStore
    log_hub: LogHub
    released: Callable[[str, float], Awaitable[None]]
    """Returns when the gateway has no request under way on this socket, or after some seconds."""
    warmth: Warmth = ON_REQUEST


@dataclass(slots=True)
class _Running:
    """One Function as it runs here."""

    worker: FunctionWorker
    scaled: ScaledFunction
    sockets: tuple[str, ...] = ()


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
        self._looking: asyncio.Task[None] | None = None

    async def run(self, function: Function, made: MadeRevision) -> None:
        """Start to replace what runs by `made`; does nothing if it is running already."""
        plan = made.plan
        if not isinstance(plan, WorkerPlan):
            raise Internal("the revision was not made for this engine")
        running = self._running.get(function.ref) or self._add(function.ref)
        running.scaled.follow(plan, self._scale(function))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    async def trust(self, function: Function, made: MadeRevision) -> None:
        """Hold a revision that has served before ready to serve until a newer one is."""
        if not isinstance(made.plan, WorkerPlan):
            raise Internal("the revision was not made for this engine")
        running = self._running.get(function.ref) or self._add(function.ref)
        running.scaled.trust(made.plan)

    def wake(self, key: str) -> None:
        """Start an idle Function (`namespace/name`) because a request waits for it."""
        running = self._running.get(FunctionRef(*key.split("/", 1)))
        if running is not None:
            running.scaled.wake()

    def touch(self, keys: Sequence[str]) -> None:
        """Note that these Functions were asked of late, or still work on an answer."""
        for key in keys:
            running = self._running.get(FunctionRef(*key.split("/", 1)))
            if running is not None:
                running.scaled.touch()

    async def remove(self, ref: FunctionRef) -> None:
        """Take the routes away, finish what was accepted, forget the Function."""
        running = self._running.pop(ref, None)
        if running is None:
            return
        await self._routes_changed()
        await running.worker.drain()

    async def stop(self) -> None:
        """End everything at once."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        ending = [running.worker.stop() for running in self._running.values()]
        self._running.clear()
        await asyncio.gather(*ending, return_exceptions=True)

    def observe(self, ref: FunctionRef) -> Observed:
        """Say what runs now."""
        running = self._running.get(ref)
        if running is None:
            return Observed()
        scaled, serving = running.scaled, running.worker.serving
        if (scaled.is_off or scaled.asleep) and scaled.plan is not None:
            return _at_rest(scaled)
        if serving is None:
            return Observed()
        status = serving.status
        trouble = scaled.trouble
        message = trouble.message if trouble and not status.message else status.message
        return Observed(
            revision=status.revision,
            ready=int(status.phase is Phase.READY),
            wanted=max(scaled.least, 1),
            phase=status.phase.value,
            reason=status.reason,
            message=message,
            restarts=status.restarts,
            gaps=_gaps(serving.plan),
        )

    def worker_status(self, ref: FunctionRef) -> WorkerStatus | None:
        """Return the serving worker's own words, if there is one."""
        running = self._running.get(ref)
        serving = running.worker.serving if running is not None else None
        return serving.status if serving is not None else None

    def sockets(self, ref: FunctionRef) -> tuple[str, ...]:
        """Return where requests for `ref` go."""
        running = self._running.get(ref)
        at_rest = running is None or running.scaled.asleep or running.scaled.is_off
        return () if at_rest or running is None else running.sockets

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
            running.scaled.asleep = False
            await self._routes_changed()

        def changed(_: WorkerStatus) -> None:
            self._notify()

        log = FunctionLog(
            ref.namespace, ref.name, store=self._home.log_store, hub=self._home.log_hub
        )
        # A number and not the name: a unix socket's path has room for 107 bytes.
        home = FunctionHome(f"f{self._count}", self._home.launcher, self._home.sockets_dir, log)
        worker = FunctionWorker(home, publish=publish, on_change=changed, released=self._released)
        scaled = ScaledFunction(worker, routes_changed=self._routes_changed, notify=self._notify)
        running = self._running[ref] = _Running(worker, scaled)
        return running

    async def _released(self, old: PodWorker) -> None:
        await self._home.released(str(old.status.request_socket), old.plan.request_timeout_seconds)

    def _scale(self, function: Function) -> Scale:
        bounds, warmth = scaling_bounds(function.spec), self._home.warmth
        return Scale(
            least=bounds.min,
            most=bounds.max,
            idle_seconds=max(bounds.idle_seconds, warmth.least_idle_seconds),
            eager=bounds.min > 0 or (warmth.start_at_once and bounds.max > 0),
        )

    async def _look(self) -> None:
        """Let fall asleep whoever was not asked for long enough."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for running in self._running.values():
                running.scaled.look()


def _at_rest(scaled: ScaledFunction) -> Observed:
    plan, trouble = scaled.plan, scaled.trouble
    message = trouble.message if trouble else ""
    if plan is None:
        return Observed()
    if scaled.is_off:
        return Observed(
            revision=plan.revision,
            phase="TurnedOff",
            reason="TurnedOff",
            message="replicas is 0: no request is served",
        )
    return Observed(revision=plan.revision, phase="ScaledToZero", message=message, gaps=_gaps(plan))


def _gaps(plan: WorkerPlan) -> tuple[str, ...]:
    return tuple(
        f"{gap.resource}: {gap.consequence} (to change that: {gap.remedy})"
        for gap in plan.sandbox.gaps
    )


def _bounded(limits: Mapping[str, int]) -> str:
    """Write the limits that bind; a cgroup without one shows a number near 2**63."""
    return ", ".join(f"{name} {value}" for name, value in limits.items() if value < _UNLIMITED)
