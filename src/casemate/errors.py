"""The root of every error, and what each one means at the four exits.

    CasemateError
    ├── InvalidInput        what was given breaks a rule; carries every violation
    │   └── (api.manifest.InvalidManifest, sources.*, ...)
    ├── NotFound            an object or runtime that was named does not exist
    ├── Unavailable         something outside did not answer; trying again may help
    ├── Unsupported         this machine or version cannot do what was asked
    └── Internal            a defect of ours

Packages subclass these beside the code that raises them and give each class its own `code`; a unit
test fails when two classes share a code. Denial is not an error: it is a `Verdict`.
Messages are lower case, without a final period, and safe to show: never source, tokens or secrets.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Retry(StrEnum):
    """When trying the same thing again can help."""

    NEVER = "Never"
    WHEN_CHANGED = "WhenChanged"
    BACKOFF = "Backoff"


class CasemateError(Exception):
    """Root of the tree. `message` is safe to show, `hint` says what to do next."""

    code: ClassVar[str] = "Internal"
    retry: ClassVar[Retry] = Retry.NEVER
    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Render the message, and the hint on a line of its own."""
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class InvalidInput(CasemateError):
    """What was given breaks a rule; the caller must change it."""

    code = "Invalid"
    retry = Retry.WHEN_CHANGED
    exit_code = 2


class NotFound(CasemateError):
    """Something that was named does not exist."""

    code = "NotFound"
    retry = Retry.WHEN_CHANGED
    exit_code = 4


class Unavailable(CasemateError):
    """Something outside did not answer or is not ready yet."""

    code = "Unavailable"
    retry = Retry.BACKOFF
    exit_code = 5


class Unsupported(CasemateError):
    """This machine cannot do, or cannot enforce, what was asked."""

    code = "Unsupported"
    retry = Retry.WHEN_CHANGED
    exit_code = 6


class Internal(CasemateError):
    """A defect of ours; never caused by input alone."""

    code = "Internal"
    retry = Retry.BACKOFF
    exit_code = 70
