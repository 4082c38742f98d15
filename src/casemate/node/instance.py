"""One sandbox run from launch to exit: joins sandbox, control channel, probes and log pump.

Reports what happens as events and does what it is told; it decides nothing about restarts. Whatever
ends it, the last words are kept: control lines and output that were written before the exit are
read before the exit is reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from casemate import clock
from casemate.api.conditions import ExitReason
from casemate.errors import CasemateError, Retry
from casemate.node.control_channel import ControlChannel, RuntimeLoadFailed, RuntimeReady
from casemate.node.exit_status import EndIntent, ObservedExit
from casemate.node.log_pump import LogPump
from casemate.node.probes import InstanceProbes, ProbeRules
from casemate.node.worker_events import (
    EndDue,
    Exited,
    LaunchFailed,
    LoadFailed,
    ReadinessChanged,
    RetiringAnnounced,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from casemate.node.control_channel import ControlEvent
    from casemate.node.launch import ExitStatus
    from casemate.node.log_pump import FunctionLog
    from casemate.node.sandbox_steps import SandboxPlan
    from casemate.node.sockets import WorkerSockets
    from casemate.node.worker_events import Event

# Every process of the sandbox is gone by then, so the pipes end as fast as they can be read.
_LAST_OUTPUT_SECONDS = 1.0


class RunningSandbox(Protocol):
    """What a worker needs of `casemate.node.launch.Sandbox`."""

    init_pid: int
    """Host pid of pid 1 of the sandbox."""
    stdout_fd: int
    stderr_fd: int
    control: socket.socket

    @property
    def pid(self) -> int | None:
        """Host pid of the user's program, while there is one."""

    async def wait(self) -> ExitStatus:
        """Return when every process of the sandbox is gone."""

    async def signal(self, number: int) -> None:
        """Send a signal to the program."""

    async def settle(self) -> None:
        """Say that the start is over and the Function's own CPU limit applies."""

    async def kill(self) -> None:
        """End every process at once."""

    def close(self) -> None:
        """Close our descriptors."""


class SandboxLauncher(Protocol):
    """What a worker needs of `casemate.node.launch.Launcher`."""

    async def launch(
        self, plan: SandboxPlan, *, requests: socket.socket, metrics: socket.socket
    ) -> RunningSandbox:
        """Start one sandbox, or raise a CasemateError whose `retry` says if trying again helps."""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One revision as a worker runs it."""

    revision: str
    sandbox: SandboxPlan
    probes: ProbeRules
    request_timeout_seconds: float
    """FUNC_TIMEOUT: how long a retiring instance may need for what it has in hand."""

    @property
    def grace_seconds(self) -> float:
        """How long a drain may take."""
        return self.sandbox.grace_seconds


@dataclass(frozen=True, slots=True)
class InstanceHome:
    """What all instances of one worker share."""

    plan: WorkerPlan
    launcher: SandboxLauncher
    sockets: WorkerSockets
    function_log: FunctionLog


class Instance:
    """One instance; every method returns at once."""

    def __init__(
        self, number: int, name: str, *, home: InstanceHome, post: Callable[[Event], None]
    ) -> None:
        """Start it; `post` hears its events on this loop."""
        self.number = number
        self.name = name
        self.pid: int | None = None
        self.init_pid: int | None = None
        self.control_malformed = 0
        self._home = home
        self._post = post
        self._sandbox: RunningSandbox | None = None
        self._kill_wanted = False
        self._term_wanted = False
        self._settled = False
        self._orders: set[asyncio.Task[None]] = set()
        self._probes = InstanceProbes(
            home.plan.probes,
            home.sockets.metrics_path,
            on_readiness=self._readiness,
            on_dead=self._dead,
        )
        self._probing: asyncio.Task[None] | None = None
        self._life = asyncio.create_task(self._live(), name=name)

    def terminate(self) -> None:
        """Send SIGTERM as soon as there is something to send it to; stop probing."""
        self._term_wanted = True
        self._stop_probing()
        if self._sandbox is not None:
            self._order(self._sandbox.signal(signal.SIGTERM))

    def kill(self) -> None:
        """End it as soon as there is something to end."""
        self._kill_wanted = True
        if self._sandbox is not None:
            self._order(self._sandbox.kill())

    async def _live(self) -> None:
        started_at = clock.timestamp()
        try:
            await self._live_from(started_at)
        except Exception as error:
            # A defect of ours must not leave the worker waiting for an end that nobody reports.
            message = f"defect in the node: {type(error).__name__}"
            self._post(LaunchFailed(self.number, message, started_at, may_help_to_retry=True))
            raise

    async def _live_from(self, started_at: str) -> None:
        try:
            sandbox = await self._launch()
        except CasemateError as error:
            again = error.retry is Retry.BACKOFF
            self._post(LaunchFailed(self.number, error.message, started_at, again))
            return
        except OSError as error:
            message = f"sandbox could not be started: {error.strerror}"
            self._post(LaunchFailed(self.number, message, started_at, may_help_to_retry=True))
            return
        status = await self._run(sandbox)
        if status.started:
            observed = ObservedExit(status.code, oom_killed=status.oom_killed)
            self._post(Exited(self.number, observed, started_at, clock.timestamp()))
        else:
            self._post(
                LaunchFailed(self.number, status.failure, started_at, may_help_to_retry=True)
            )

    async def _launch(self) -> RunningSandbox:
        sockets = self._home.sockets
        with sockets.new_metrics_listener() as metrics:
            return await self._home.launcher.launch(
                self._home.plan.sandbox, requests=sockets.request_listener(), metrics=metrics
            )

    async def _run(self, sandbox: RunningSandbox) -> ExitStatus:
        self._sandbox = sandbox
        self.pid, self.init_pid = sandbox.pid, sandbox.init_pid
        pump = LogPump(
            self._home.function_log,
            self.name,
            stdout_fd=sandbox.stdout_fd,
            stderr_fd=sandbox.stderr_fd,
        )
        control = ControlChannel(sandbox.control, self._hear)
        deadline = self._arm_start_deadline()
        if not (self._term_wanted or self._kill_wanted):
            self._probing = asyncio.create_task(self._probes.run())
        if self._term_wanted:
            self.terminate()
        if self._kill_wanted:
            self.kill()
        ended = False
        try:
            status = await sandbox.wait()
            ended = True
            control.finish()
            await pump.drained(_LAST_OUTPUT_SECONDS)
            await asyncio.gather(*self._orders)
            return status
        finally:
            if not ended:
                self.kill()
            self._sandbox = None
            deadline.cancel()
            self._stop_probing()
            self.control_malformed += control.malformed
            control.close()
            pump.close()
            sandbox.close()

    def _arm_start_deadline(self) -> asyncio.TimerHandle:
        seconds = self._home.plan.probes.start_seconds
        intent = EndIntent(ExitReason.ERROR, f"was not ready within {seconds:g} s")
        event = EndDue(self.number, intent, only_before_ready=True)
        return asyncio.get_running_loop().call_later(seconds, self._post, event)

    def _hear(self, event: ControlEvent) -> None:
        match event:
            case RuntimeReady():
                self._probes.announce_ready()
            case RuntimeLoadFailed(message=message):
                self._post(LoadFailed(self.number, message))
            case _:
                # It answers no probe from now on: silence is no fault any more.
                self._stop_probing()
                self._post(RetiringAnnounced(self.number))

    def _readiness(self, ready: bool, message: str) -> None:  # noqa: FBT001  # the probes' callback
        if ready and not self._settled and self._sandbox is not None:
            self._settled = True
            self._order(self._sandbox.settle())
        self._post(ReadinessChanged(self.number, ready, message))

    def _dead(self, message: str) -> None:
        self._post(EndDue(self.number, EndIntent(ExitReason.ERROR, message)))

    def _stop_probing(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None

    def _order(self, order: Coroutine[object, object, None]) -> None:
        async def carry_out() -> None:
            # A launcher that is lost takes its sandboxes along: `wait` reports the end either way.
            with contextlib.suppress(CasemateError):
                await order

        task = asyncio.create_task(carry_out())
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)
