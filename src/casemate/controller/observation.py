"""What one look at a Function found: the input of its status, not how it was found.

Values only. `Configured` is what became of the manifest; `Observed` is what runs. Either may be
older than the other: a bad change leaves the good revision running.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from casemate.api.function import FunctionRevision


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a step of the configuration did not succeed; safe to show."""

    reason: str
    message: str
    retried: bool = False
    """Whether it is tried again without a change of the manifest."""


@dataclass(frozen=True, slots=True)
class Configured:
    """The newest manifest and how far it came."""

    generation: int
    revision: FunctionRevision | None = None
    """None while it is being made, or when it cannot be made."""
    fault: Fault | None = None
    step: str = ""
    """What is being done now, for a person who waits."""
    relaxed_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What runs of a Function, as the node says."""

    revision: str | None = None
    """The revision that serves, if one does."""
    ready: int = 0
    wanted: int = 1
    """How many instances the manifest asks for at least."""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    restarts: int = 0
    gaps: tuple[str, ...] = field(default_factory=tuple)
    """Promises that this machine cannot keep in full."""
