"""A user of its own on the host for each Function, where this process may give one.

Numbers only: no account is made. A number is never given twice by one engine, so that what one
Function leaves behind is never another's.
"""

from __future__ import annotations

import secrets

from casemate.api.meta import FunctionRef
from casemate.errors import Unsupported

# Far above the accounts, subordinate ids and dynamic users that distributions give out.
FIRST_UID = 2_000_000_000
LAST_UID = 2_100_000_000
PER_ENGINE = 100_000


class NoUserLeft(Unsupported):
    """This engine has given out every number."""

    code = "NoUserLeft"


class HostUsers:
    """Numbers of one engine; two engines on one machine almost surely differ."""

    def __init__(self) -> None:
        ranges = (LAST_UID - FIRST_UID) // PER_ENGINE
        self._next = FIRST_UID + secrets.randbelow(ranges) * PER_ENGINE
        self._end = self._next + PER_ENGINE
        self._given: dict[FunctionRef, int] = {}

    def uid(self, ref: FunctionRef) -> int:
        """Return the number of a Function; the same for all of its revisions."""
        if ref not in self._given:
            if self._next >= self._end:
                raise NoUserLeft("every host user of this engine is taken", hint="start it again")
            self._given[ref] = self._next
            self._next += 1
        return self._given[ref]
