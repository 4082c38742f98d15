"""How long ago something was, as kubectl prints it; pure.

Source: k8s.io/apimachinery v0.36, pkg/util/duration (HumanDuration), pkg/api/meta/table.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

UNKNOWN, INVALID = "<unknown>", "<invalid>"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# Below the first number: counted in the second, with its unit; the rest in the third, with its.
_STEPS: tuple[tuple[float, int, str, int, str], ...] = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    (float("inf"), _YEAR, "y", 0, ""),
)


def human_duration(seconds: float) -> str:
    """Write a duration in two or three significant figures; a clock may be a second behind."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole == -1 else INVALID
    large, unit, small, small_unit = next(step[1:] for step in _STEPS if whole < step[0])
    rest = whole % large // small if small else 0
    return f"{whole // large}{unit}" + (f"{rest}{small_unit}" if rest else "")


def moment(value: Any) -> datetime | None:
    """Read RFC 3339; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else None


def age(value: Any, now: datetime) -> str:
    """Return how long ago `value` was; `<unknown>` for an absent time."""
    if value is None or value == "":
        return UNKNOWN
    then = moment(value)
    return INVALID if then is None else human_duration((now - then).total_seconds())
