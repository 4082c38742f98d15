"""Denial as a value: what a check says about what it was given.

Nothing here raises and nothing here decides what a denial costs: the edge that asked turns a
verdict into a condition, a status or an exit number. Texts are safe to show: they carry names and
field paths of what was checked, never its secrets or source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: its stable id, why in a few words, and what to change where."""

    rule: str
    reason: str
    detail: str

    def wire(self) -> dict[str, str]:
        """Return the JSON shape."""
        return {"rule": self.rule, "reason": self.reason, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed, or not with a short reason (always shown) and a detail (shown on request)."""

    allowed: bool
    reason: str = ""
    detail: str = ""


ALLOWED = Verdict(allowed=True)


def denied(reason: str, detail: str = "") -> Verdict:
    """Return a refusal."""
    return Verdict(allowed=False, reason=reason, detail=detail)


def verdict_of(violations: Iterable[Violation]) -> Verdict:
    """Fold every broken rule into one verdict; no broken rule allows."""
    broken = tuple(violations)
    if not broken:
        return ALLOWED
    return denied(
        ", ".join(violation.reason for violation in broken),
        "; ".join(f"{violation.reason} ({violation.detail})" for violation in broken),
    )
