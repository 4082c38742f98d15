"""An error as a person reads it: what was found, what to do; then the exit number."""

from __future__ import annotations

from typing import TextIO

from casemate.errors import CasemateError


def render_error(error: CasemateError, stream: TextIO) -> int:
    """Write `error` to `stream` and return the exit number of its class."""
    stream.write(f"error: {error.message}\n")
    if error.hint:
        stream.write(f"hint: {error.hint}\n")
    stream.flush()
    return error.exit_code
