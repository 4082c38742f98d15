"""JSON values compared as JSON has them: `true` is not 1, and 1 is not 1.0 unless asked for."""

from __future__ import annotations

from typing import Any


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are one JSON value; Python alone would take True for 1."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same_value(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same_value(mine, theirs) for mine, theirs in zip(one, other, strict=True))
        )
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)
