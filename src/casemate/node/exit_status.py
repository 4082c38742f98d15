"""Why a sandbox ended, in the words of a Pod's `containerStatuses`; pure.

What the kernel saw is kept apart from what the node meant: the same signal 9 is `OOMKilled`, a
failed liveness probe or a drain that took too long. Evidence of memory wins over intent, intent
wins over the exit code, because a killed program's code says nothing about why it was killed.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import IntEnum

from casemate.api.conditions import ExitReason

# bwrap and shells report a child that died of signal N as 128 + N.
_SIGNAL_BASE = 128
_LAST_SIGNAL = 64


class RuntimeExit(IntEnum):
    """Exit codes that a runtime server uses on purpose."""

    DRAINED = 0
    LOAD_FAILED = 65
    INTERNAL = 70
    RETIRED = 75


@dataclass(frozen=True, slots=True)
class ObservedExit:
    """What the kernel and the cgroup saw. `code` is 128 + N when a signal ended the program."""

    code: int
    oom_killed: bool = False

    @property
    def signal_number(self) -> int | None:
        """The signal that ended the program, if one did."""
        number = self.code - _SIGNAL_BASE
        return number if 0 < number <= _LAST_SIGNAL else None


@dataclass(frozen=True, slots=True)
class EndIntent:
    """Why the node ended, or expects the end of, a sandbox."""

    reason: ExitReason
    message: str = ""


@dataclass(frozen=True, slots=True)
class Termination:
    """`state.terminated` of a container; the message is safe to show."""

    reason: ExitReason
    exit_code: int
    signal: int | None
    message: str
    started_at: str
    finished_at: str


def explain_exit(
    observed: ObservedExit, intent: EndIntent | None, *, started_at: str, finished_at: str
) -> Termination:
    """Give the one reason and message under which this end is reported."""
    reason, message = _reason_and_message(observed, intent)
    return Termination(
        reason=reason,
        exit_code=observed.code,
        signal=observed.signal_number,
        message=message,
        started_at=started_at,
        finished_at=finished_at,
    )


def _reason_and_message(observed: ObservedExit, intent: EndIntent | None) -> tuple[ExitReason, str]:
    if observed.oom_killed:
        return ExitReason.OOM_KILLED, "used more memory than its limit"
    if intent is not None:
        return intent.reason, intent.message
    if observed.signal_number is not None:
        return ExitReason.ERROR, f"killed by {_signal_name(observed.signal_number)}"
    return _meaning_of(observed.code)


def _meaning_of(exit_code: int) -> tuple[ExitReason, str]:
    match exit_code:
        case RuntimeExit.DRAINED:
            return ExitReason.COMPLETED, "ended by itself with exit code 0"
        case RuntimeExit.LOAD_FAILED:
            return ExitReason.LOAD_FAILED, "the handler could not be loaded; its log says why"
        case RuntimeExit.RETIRED:
            return ExitReason.DEADLINE_EXCEEDED, "a request ran past its timeout"
        case code:
            return ExitReason.ERROR, f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
