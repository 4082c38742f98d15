"""Keeps one revision of a Function running on its sockets: the effects behind `worker_state`.

Owns the sockets, the timers and the instances of the revision. It decides nothing itself: each
event goes through `decide`, and what comes back is done at once, on one loop, in order. An idle
worker has no task of its own; it costs a timer for its next probe and nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate import clock
from casemate.node.instance import Instance, InstanceHome
from casemate.node.worker_events import (
    Action,
    EndDue,
    EndIn,
    Event,
    Exited,
    Kill,
    Launch,
    LaunchDue,
    LaunchFailed,
    LaunchIn,
    Phase,
    StartRequested,
    StopRequested,
    Terminate,
)
from casemate.node.worker_state import Moment, WorkerState, decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casemate.node.exit_status import Termination
    from casemate.node.instance import WorkerPlan
    from casemate.node.sockets import WorkerSockets

# What a draining instance has accepted is finished; what still waits in the queue gets one second
# to be accepted first. A healthy instance empties it within a millisecond.
_ACCEPT_POLLS = 200
_ACCEPT_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What a worker tells about itself; safe to show."""

    worker_id: str
    revision: str
    phase: Phase
    reason: str
    message: str
    since: str
    """When `phase` began."""
    instance: str
    """The instance that serves or starts; empty between two."""
    pid: int | None
    init_pid: int | None
    """Host pid of the instance's pid 1, from which its posture is read."""
    restarts: int
    retirements: int
    last_termination: Termination | None
    request_socket: Path
    metrics_socket: Path


class PodWorker:
    """One revision of one Function on this machine."""

    def __init__(
        self,
        worker_id: str,
        home: InstanceHome,
        *,
        on_change: Callable[[WorkerStatus], None] | None = None,
    ) -> None:
        """`worker_id` names sockets, instances and logs; `on_change` hears each new status."""
        self.worker_id = worker_id
        self._home = home
        self._on_change = on_change
        self._state = WorkerState()
        self._since = clock.timestamp()
        self._instances: dict[int, Instance] = {}
        self._timers: dict[int, list[asyncio.TimerHandle]] = {}
        self._launch_timer: asyncio.TimerHandle | None = None
        self._events: deque[Event] = deque()
        self._deciding = False
        self._changed = asyncio.Event()
        self._told = self.status

    @property
    def plan(self) -> WorkerPlan:
        """The revision that it runs."""
        return self._home.plan

    @property
    def was_ready(self) -> bool:
        """Whether the revision has ever been ready here."""
        return self._state.was_ready

    @property
    def status(self) -> WorkerStatus:
        """The state as of now."""
        state = self._state
        current = self._instances.get(state.current) if state.current is not None else None
        return WorkerStatus(
            worker_id=self.worker_id,
            revision=self.plan.revision,
            phase=state.phase,
            reason=str(state.reason),
            message=state.message,
            since=self._since,
            instance=current.name if current else "",
            pid=current.pid if current else None,
            init_pid=current.init_pid if current else None,
            restarts=state.restarts,
            retirements=state.retirements,
            last_termination=state.last_termination,
            request_socket=self._sockets.request_path,
            metrics_socket=self._sockets.metrics_path,
        )

    def start(self) -> None:
        """Bind the sockets, from now on requests queue, and start the first instance.

        Raises SocketDirectoryUnusable or OSError when the sockets cannot be bound.
        """
        self._sockets.open()
        self._post(StartRequested())

    async def wait_for(self, *phases: Phase) -> WorkerStatus:
        """Return the status as soon as the worker is in one of the phases."""
        while self._state.phase not in phases:
            self._changed.clear()
            await self._changed.wait()
        return self.status

    async def drain(self) -> None:
        """Finish accepted and waiting requests within the grace period, then be gone.

        The caller has told the gateway before, so that no new request comes.
        """
        if self._state.phase is Phase.READY:
            await self._let_accept()
        await self._end(self.plan.grace_seconds)

    async def stop(self) -> None:
        """End everything at once, requests included; leave nothing behind."""
        await self._end(0.0)

    async def _let_accept(self) -> None:
        for _ in range(_ACCEPT_POLLS):
            if not self._sockets.has_waiting_requests():
                return
            await asyncio.sleep(_ACCEPT_POLL_SECONDS)

    async def _end(self, grace_seconds: float) -> None:
        self._post(StopRequested(grace_seconds))
        await self.wait_for(Phase.STOPPED)

    @property
    def _sockets(self) -> WorkerSockets:
        return self._home.sockets

    def _post(self, event: Event) -> None:
        """Decide on an event and carry the decision out, one event at a time."""
        self._events.append(event)
        if self._deciding:
            return
        self._deciding = True
        try:
            while self._events:
                self._step(self._events.popleft())
        finally:
            self._deciding = False

    def _step(self, event: Event) -> None:
        before = self._state.phase
        moment = Moment(
            now=clock.monotonic_seconds(),
            retire_seconds=self.plan.request_timeout_seconds + self.plan.grace_seconds,
        )
        self._state, actions = decide(self._state, event, moment)
        if self._state.phase is not before:
            self._since = clock.timestamp()
            self._entered(self._state.phase)
        if isinstance(event, Exited | LaunchFailed):
            self._forget(event.number)
        for action in actions:
            self._do(action)
        self._tell()

    def _entered(self, phase: Phase) -> None:
        if phase in (Phase.FAILED, Phase.STOPPED):
            if self._launch_timer is not None:
                self._launch_timer.cancel()
            # Whoever waits in the queue learns now that nobody will come.
            self._sockets.close()
        elif phase is Phase.CRASH_LOOP_BACK_OFF:
            self._sockets.refuse_requests()

    def _do(self, action: Action) -> None:
        match action:
            case Launch(number=number):
                name = f"{self.worker_id}-{number}"
                self._instances[number] = Instance(number, name, home=self._home, post=self._post)
            case LaunchIn(seconds=seconds):
                loop = asyncio.get_running_loop()
                self._launch_timer = loop.call_later(seconds, self._post, LaunchDue())
            case Terminate(number=number):
                self._instances[number].terminate()
            case Kill(number=number):
                self._instances[number].kill()
            case EndIn(number=number, seconds=seconds, intent=intent):
                loop = asyncio.get_running_loop()
                timer = loop.call_later(seconds, self._post, EndDue(number, intent))
                self._timers.setdefault(number, []).append(timer)

    def _forget(self, number: int) -> None:
        for timer in self._timers.pop(number, ()):
            timer.cancel()
        self._instances.pop(number, None)

    def _tell(self) -> None:
        status = self.status
        if status != self._told:
            self._told = status
            self._changed.set()
            if self._on_change is not None:
                self._on_change(status)
