"""The only source of time, so that tests can hold it still and a jump of the wall clock is one bug.

Wall time is for people and tokens; durations are measured on the monotonic clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the wall clock's time in UTC, with whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  # this is the one allowed place


def now_seconds() -> int:
    """Return the wall clock as whole seconds since the epoch, as JWT dates are written."""
    return int(time.time())


def from_seconds(seconds: int) -> datetime:
    """Return the moment that is `seconds` after the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def monotonic_seconds() -> float:
    """Return a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """Write `moment` as Kubernetes does: UTC, whole seconds, a final Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp() -> str:
    """Return the wall clock in UTC with microseconds, as the lines of a log need it."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{nanoseconds // 1000:06d}Z"
