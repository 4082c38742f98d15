"""One Function's instance and its rest: started when asked for, ended when nobody asks.

Asleep, a Function is a plan and no process; the gateway holds what arrives and asks for it
(`wake`). Falling asleep goes in one order, so that no request can meet a closed door: the gateway
is told, it answers, what it had sent is finished, and then the instance ends.

A revision that has never served is trusted to start when it is asked for. Once one has served, a
new one is started first, asleep or not, and becomes the one to wake only if it was ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from casemate import clock
from casemate.errors import CasemateError
from casemate.node.function_worker import FunctionWorker, ReplaceOutcome
from casemate.node.instance import WorkerPlan
from casemate.node.worker_events import Phase

# An instance that cannot start is tried again by its back-off at least this long after the last
# request; asleep at once it would start anew, without back-off, with every request.
FAILING_REST_SECONDS = 60
# A revision started only to prove itself goes to sleep soon, however long the idle time is.
PROOF_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Scale:
    """When instances run. `eager` starts one without a request, `most` of 0 means never."""

    least: int
    most: int
    idle_seconds: float
    eager: bool


class ScaledFunction:
    """The worker of one Function together with the plan to wake it by."""

    def __init__(
        self,
        worker: FunctionWorker,
        *,
        routes_changed: Callable[[], Awaitable[None]],
        notify: Callable[[], None],
    ) -> None:
        self.worker = worker
        self._routes_changed = routes_changed
        self._notify = notify
        self.plan: WorkerPlan | None = None
        """What a request would start now."""
        self.trouble: ReplaceOutcome | None = None
        self.asleep = True
        self._scale: Scale | None = None
        self._wanted = ""
        self._served = False
        self._idle_since = 0.0
        self._starting = 0
        # Falling asleep and beginning to start exclude each other.
        self._edge = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("scale")

    @property
    def is_off(self) -> bool:
        """Whether the manifest says that no instance may run."""
        return self._scale is not None and self._scale.most == 0

    @property
    def least(self) -> int:
        """How many instances the manifest wants in any case."""
        return self._scale.least if self._scale is not None else 0

    def follow(self, plan: WorkerPlan, scale: Scale) -> None:
        """Move towards this revision and scale; returns at once, the newest call wins."""
        if (plan.revision, scale) == (self._wanted, self._scale):
            return
        same, self._wanted, self._scale = plan.revision == self._wanted, plan.revision, scale
        if not same:
            self.trouble = None
        if scale.most == 0:
            self.plan = plan
            self._spawn(self._rest())
        elif self.asleep and not scale.eager and self._needs_no_proof(plan):
            self._spawn(self._announce(plan))
        elif not same or (self.asleep and scale.eager):
            self._spawn(self._start(plan))
        else:
            self._notify()

    def _needs_no_proof(self, plan: WorkerPlan) -> bool:
        if not self._served:
            return True
        # A newer one that is proving itself has to be superseded by a start, not left to win.
        return not self._starting and self.plan is not None and self.plan.revision == plan.revision

    def trust(self, plan: WorkerPlan) -> None:
        """Take a revision that has served in an earlier life of the engine as the one to wake.

        Called before `follow`, whose revision then has to prove itself like any other change.
        """
        self.plan, self._served = plan, True

    def wake(self) -> None:
        """A request waits: start what can serve it, unless that is under way."""
        if self.asleep and self.plan is not None and not self.is_off:
            self.asleep = False
            self._spawn(self._wake(self.plan))

    def touch(self) -> None:
        """A request came of late."""
        self._idle_since = clock.monotonic_seconds()

    def look(self) -> None:
        """Fall asleep if nobody has asked for long enough."""
        if self._may_rest():
            self._spawn(self._rest())

    def _may_rest(self) -> bool:
        serving, scale = self.worker.serving, self._scale
        if scale is None or serving is None or self.asleep or self._starting:
            return False
        if scale.most == 0:
            return True
        idle = clock.monotonic_seconds() - self._idle_since
        if scale.least > 0 or serving.status.phase is Phase.FAILED:
            # What has failed for good holds no process, and its reason is worth more than its rest.
            return False
        if serving.status.phase is Phase.READY:
            return idle >= scale.idle_seconds
        return idle >= max(scale.idle_seconds, FAILING_REST_SECONDS)

    async def _announce(self, plan: WorkerPlan) -> None:
        # Known to the gateway before it counts as running: who reads that may call at once.
        await self._routes_changed()
        if self._wanted == plan.revision:
            self.plan = plan
        self._notify()

    async def _rest(self) -> None:
        async with self._edge:
            if not self._may_rest():
                return
            self.asleep = True
            try:
                await self._routes_changed()
            except CasemateError:
                self.asleep = False
                raise
            self.worker.retire()
        self._notify()

    async def _start(self, plan: WorkerPlan) -> None:
        async with self._begun():
            prove = self.asleep and self._served
            if not prove:
                self.asleep = False
            outcome = await self.worker.replace(plan, only_if_ready=prove)
            if prove and outcome.replaced:
                self._idle_since = clock.monotonic_seconds() - self._proof_credit()
        self._settle(plan, outcome)

    async def _wake(self, plan: WorkerPlan) -> None:
        async with self._begun():
            try:
                outcome = await self.worker.wake(plan)
            finally:
                self.asleep = self.worker.serving is None
        self._settle(plan, outcome)

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[None]:
        async with self._edge:
            self._starting += 1
        try:
            self.touch()
            yield
        finally:
            self._starting -= 1

    def _proof_credit(self) -> float:
        idle = self._scale.idle_seconds if self._scale is not None else 0.0
        return max(0.0, idle - PROOF_SECONDS)

    def _settle(self, plan: WorkerPlan, outcome: ReplaceOutcome) -> None:
        if outcome.replaced:
            self._served = True
            self.plan = plan
        elif self.plan is None:
            self.plan = plan
        if self._wanted == plan.revision and outcome.reason != "Superseded":
            self.trouble = None if outcome.replaced else outcome
        self._notify()
        if self.is_off:
            self._spawn(self._rest())

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except (CasemateError, OSError) as error:
            self._log.exception("a Function could not be started or ended", revision=self._wanted)
            self.trouble = ReplaceOutcome(replaced=False, reason="StartFailed", message=str(error))
            self._notify()
