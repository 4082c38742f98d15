"""What a worker does next, decided without doing it: `decide(state, event) -> state, actions`.

Owns the life of one revision's instances: which runs, which retire, when the next one starts and
when nothing will help any more. It refuses to know sockets, processes and clocks, so that every
path through a crash is a row of a table in its test.

Two decisions that Kubernetes leaves open:
- A revision that fails to load before it was ever ready is `Failed` for good: the same bytes fail
  again, and a new revision comes with its own worker. Once it has been ready, a failing load is a
  crash like any other, because then the cause lies outside (a peer asked during import).
- A retirement counts neither as a restart nor as a crash. It has a budget of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import TYPE_CHECKING

from casemate.api.conditions import ExitReason
from casemate.node.backoff import RestartBackoff, RetireThrottle
from casemate.node.exit_status import EndIntent, Termination, explain_exit
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
    LoadFailed,
    Phase,
    ReadinessChanged,
    RetiringAnnounced,
    StartRequested,
    StopRequested,
    Terminate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each one holds a whole sandbox for up to its request timeout; two cover a slow request on the one
# before last, more would let a Function that hangs on every call fill the machine.
MAX_RETIRING = 2
# The runtime exits by itself after saying so; what it still writes to its log is worth a moment.
LOAD_FAILED_LINGER_SECONDS = 1.0
# The kubelet's number for a container that could not be started.
NEVER_RAN_EXIT_CODE = 128

_RAN_LATE = EndIntent(ExitReason.DEADLINE_EXCEEDED, "a request ran past its timeout")
_WAITING = (Phase.STARTING, Phase.CRASH_LOOP_BACK_OFF)
_ENDING = (Phase.DRAINING, Phase.STOPPED)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """Everything a decision depends on."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    launched: int = 0
    current: int | None = None
    retiring: tuple[int, ...] = ()
    ready_since: float | None = None
    was_ready: bool = False
    backoff: RestartBackoff = field(default_factory=RestartBackoff)
    throttle: RetireThrottle = field(default_factory=RetireThrottle)
    restarts: int = 0
    retirements: int = 0
    last_termination: Termination | None = None
    intents: Mapping[int, EndIntent] = field(default_factory=dict)

    @property
    def live(self) -> tuple[int, ...]:
        """Instances whose sandbox may still exist, oldest first."""
        return self.retiring if self.current is None else (*self.retiring, self.current)

    def intending(self, number: int, intent: EndIntent) -> WorkerState:
        """Remember why `number` will end."""
        return replace(self, intents={**self.intents, number: intent})


@dataclass(frozen=True, slots=True)
class Moment:
    """What a decision needs from outside."""

    now: float
    """A reading of a monotonic clock."""
    retire_seconds: float
    """How long a retiring instance may still work."""


Decision = tuple[WorkerState, tuple[Action, ...]]


def decide(state: WorkerState, event: Event, moment: Moment) -> Decision:
    """Return the next state and what to do about it, in order; pure.

    An event about an instance that no longer matters changes nothing.
    """
    return _on(event, state, moment)


@singledispatch
def _on(event: object, _state: WorkerState, _moment: Moment) -> Decision:
    raise TypeError(f"no decision for {event!r}")


def _launch(state: WorkerState) -> Decision:
    number = state.launched + 1
    launched = replace(
        state, phase=Phase.STARTING, launched=number, current=number, ready_since=None
    )
    return launched, (Launch(number),)


def _launch_in(state: WorkerState, seconds: float) -> Decision:
    return _launch(state) if seconds <= 0 else (state, (LaunchIn(seconds),))


@_on.register(StartRequested)
def _start(_event: StartRequested, state: WorkerState, _moment: Moment) -> Decision:
    return _launch(state) if state.phase is Phase.PENDING else (state, ())


@_on.register(LaunchDue)
def _launch_due(_event: LaunchDue, state: WorkerState, _moment: Moment) -> Decision:
    waiting = state.current is None and state.phase in _WAITING
    return _launch(state) if waiting else (state, ())


@_on.register(ReadinessChanged)
def _readiness(event: ReadinessChanged, state: WorkerState, moment: Moment) -> Decision:
    if event.number != state.current or state.phase in _ENDING:
        return state, ()
    if event.ready:
        since = moment.now if state.ready_since is None else state.ready_since
        ready = replace(
            state, phase=Phase.READY, reason="", message="", ready_since=since, was_ready=True
        )
        return ready, ()
    if state.ready_since is None:
        return state, ()
    return replace(state, phase=Phase.NOT_READY, reason="ProbeFailed", message=event.message), ()


@_on.register(LoadFailed)
def _load_failed(event: LoadFailed, state: WorkerState, _moment: Moment) -> Decision:
    if event.number != state.current or state.phase in _ENDING:
        return state, ()
    intent = EndIntent(ExitReason.LOAD_FAILED, event.message)
    end = EndIn(event.number, LOAD_FAILED_LINGER_SECONDS, intent)
    return state.intending(event.number, intent), (end,)


@_on.register(EndDue)
def _end(event: EndDue, state: WorkerState, _moment: Moment) -> Decision:
    if event.number not in state.live:
        return state, ()
    if event.only_before_ready and (event.number != state.current or state.ready_since is not None):
        return state, ()
    return state.intending(event.number, event.intent), (Kill(event.number),)


@_on.register(RetiringAnnounced)
def _retire(event: RetiringAnnounced, state: WorkerState, moment: Moment) -> Decision:
    if event.number != state.current or state.phase in _ENDING:
        return state, ()
    if state.ready_since is None:
        # ATTACK: a retirement without work behind it would be a restart outside the crash
        # back-off. tests/unit/node/test_worker_state.py
        intent = EndIntent(ExitReason.ERROR, "retired before it was ready")
        return state.intending(event.number, intent), (Kill(event.number),)
    throttle, delay = state.throttle.after_retirement(moment.now)
    retiring = (*state.retiring, event.number)
    state = replace(
        state,
        phase=Phase.STARTING,
        reason=_RAN_LATE.reason,
        message=_RAN_LATE.message,
        current=None,
        ready_since=None,
        retiring=retiring,
        retirements=state.retirements + 1,
        throttle=throttle,
    ).intending(event.number, _RAN_LATE)
    surplus = tuple(Kill(oldest) for oldest in retiring[:-MAX_RETIRING])
    state, launch = _launch_in(state, delay)
    return state, (*surplus, EndIn(event.number, moment.retire_seconds, _RAN_LATE), *launch)


@_on.register(Exited)
def _exited(event: Exited, state: WorkerState, moment: Moment) -> Decision:
    if event.number not in state.live:
        return state, ()
    termination = explain_exit(
        event.observed,
        state.intents.get(event.number),
        started_at=event.started_at,
        finished_at=event.finished_at,
    )
    was_current = event.number == state.current
    healthy_seconds = (
        moment.now - state.ready_since if was_current and state.ready_since is not None else None
    )
    state = _without(state, event.number, termination)
    if state.phase in _ENDING:
        return _settled(state), ()
    if not was_current:
        return state, ()
    state = replace(state, reason=termination.reason, message=termination.message)
    if termination.reason is ExitReason.LOAD_FAILED and not state.was_ready:
        return replace(state, phase=Phase.FAILED), ()
    if termination.reason is ExitReason.DEADLINE_EXCEEDED and healthy_seconds is not None:
        # It had no time to announce that it retires: the whole interpreter was stuck.
        throttle, delay = state.throttle.after_retirement(moment.now)
        retirements = state.retirements + 1
        state = replace(state, phase=Phase.STARTING, retirements=retirements, throttle=throttle)
        return _launch_in(state, delay)
    return _back_off(state, healthy_seconds or 0.0)


@_on.register(LaunchFailed)
def _launch_failed(event: LaunchFailed, state: WorkerState, _moment: Moment) -> Decision:
    if event.number not in state.live:
        return state, ()
    termination = Termination(
        reason=ExitReason.START_FAILED,
        exit_code=NEVER_RAN_EXIT_CODE,
        signal=None,
        message=event.message,
        started_at=event.at,
        finished_at=event.at,
    )
    state = _without(state, event.number, termination)
    if state.phase in _ENDING:
        return _settled(state), ()
    state = replace(state, reason=termination.reason, message=termination.message)
    if not event.may_help_to_retry:
        return replace(state, phase=Phase.FAILED), ()
    return _back_off(state, healthy_seconds=0.0)


@_on.register(StopRequested)
def _stop(event: StopRequested, state: WorkerState, _moment: Moment) -> Decision:
    if state.phase is Phase.STOPPED:
        return state, ()
    state = replace(state, phase=Phase.DRAINING, reason=ExitReason.STOPPED, message="")
    late = EndIntent(
        ExitReason.STOPPED, f"did not end within {event.grace_seconds:.0f} s of its drain"
    )
    actions: list[Action] = []
    for number in state.live:
        state = state.intending(number, EndIntent(ExitReason.STOPPED))
        if event.grace_seconds > 0:
            actions += [Terminate(number), EndIn(number, event.grace_seconds, late)]
        else:
            actions.append(Kill(number))
    return _settled(state), tuple(actions)


def _without(state: WorkerState, number: int, termination: Termination) -> WorkerState:
    was_current = number == state.current
    intents = {other: intent for other, intent in state.intents.items() if other != number}
    return replace(
        state,
        current=None if was_current else state.current,
        ready_since=None if was_current else state.ready_since,
        retiring=tuple(other for other in state.retiring if other != number),
        last_termination=termination,
        intents=intents,
    )


def _settled(state: WorkerState) -> WorkerState:
    return state if state.live else replace(state, phase=Phase.STOPPED)


def _back_off(state: WorkerState, healthy_seconds: float) -> Decision:
    backoff, delay = state.backoff.after_crash(healthy_seconds=healthy_seconds)
    state = replace(state, backoff=backoff, restarts=state.restarts + 1)
    if delay <= 0:
        return _launch(state)
    message = f"restarts in {delay:.0f} s: {state.message}"
    return _launch_in(replace(state, phase=Phase.CRASH_LOOP_BACK_OFF, message=message), delay)
