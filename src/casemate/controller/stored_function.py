"""A Function as the API holds it: its manifest if it can be read, and its newest written status.

What an older version, or somebody past every check, has written may not parse. That is a fault of
this one object, told in its status, and never an error of the reader.
"""

from __future__ import annotations

from dataclasses import dataclass

from casemate.api.function import Function, FunctionStatus
from casemate.api.meta import FunctionRef
from casemate.controller.observation import Fault


@dataclass(frozen=True, slots=True)
class StoredFunction:
    """One Function as of one write; `function` is None exactly when `fault` says why."""

    ref: FunctionRef
    uid: str
    generation: int
    runtime: str
    """As written, known to us or not."""
    function: Function | None = None
    fault: Fault | None = None
    status: FunctionStatus | None = None
    """None when nothing readable was written yet."""

    @classmethod
    def of(cls, function: Function) -> StoredFunction:
        """Wrap a Function that was read in whole."""
        metadata = function.metadata
        return cls(
            function.ref,
            metadata.uid or "",
            metadata.generation or 1,
            function.spec.runtime,
            function,
            status=function.status,
        )
