"""The words between a worker and its instances: what happened, and what is to be done.

Values only. An event names the instance by its number, so that a late word about an instance that
is gone is recognised and ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casemate.node.exit_status import EndIntent, ObservedExit


class Phase(StrEnum):
    """Where a worker stands."""

    PENDING = "Pending"
    STARTING = "Starting"
    READY = "Ready"
    NOT_READY = "NotReady"
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff"
    FAILED = "Failed"
    DRAINING = "Draining"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True)
class StartRequested:
    """The engine wants this revision to run."""


@dataclass(frozen=True, slots=True)
class LaunchDue:
    """A delay before a start is over."""


@dataclass(frozen=True, slots=True)
class ReadinessChanged:
    """Probes and control events agree on a new answer."""

    number: int
    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The runtime reported that the handler cannot be loaded; the text is already safe to show."""

    number: int
    message: str


@dataclass(frozen=True, slots=True)
class RetiringAnnounced:
    """The runtime stops accepting, finishes what it holds and then exits."""

    number: int


@dataclass(frozen=True, slots=True)
class EndDue:
    """The node ends this instance now, for the given reason."""

    number: int
    intent: EndIntent
    only_before_ready: bool = False


@dataclass(frozen=True, slots=True)
class Exited:
    """The sandbox is gone."""

    number: int
    observed: ObservedExit
    started_at: str
    finished_at: str


@dataclass(frozen=True, slots=True)
class LaunchFailed:
    """The launcher could not start the sandbox."""

    number: int
    message: str
    at: str
    may_help_to_retry: bool


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Drain (SIGTERM, then kill after the grace period) or, with no grace, kill."""

    grace_seconds: float


Event = (
    StartRequested
    | LaunchDue
    | ReadinessChanged
    | LoadFailed
    | RetiringAnnounced
    | EndDue
    | Exited
    | LaunchFailed
    | StopRequested
)


@dataclass(frozen=True, slots=True)
class Launch:
    """Start instance `number` on the worker's sockets."""

    number: int


@dataclass(frozen=True, slots=True)
class LaunchIn:
    """Ask again (`LaunchDue`) after this delay."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Terminate:
    """Send SIGTERM: drain."""

    number: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the whole sandbox at once."""

    number: int


@dataclass(frozen=True, slots=True)
class EndIn:
    """Raise `EndDue` after this delay, unless the instance is gone by then."""

    number: int
    seconds: float
    intent: EndIntent


Action = Launch | LaunchIn | Terminate | Kill | EndIn
