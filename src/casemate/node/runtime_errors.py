"""Why an interpreter is not there, and how foreign tools' words are made safe to repeat."""

from __future__ import annotations

import re

from casemate.errors import Unsupported

_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST_REASON = 600


class RuntimeUnavailable(Unsupported):
    """This machine has no interpreter of the version that a runtime means, and none came."""

    code = "RuntimeUnavailable"


class FetchFailed(Unsupported):
    """One way to get an interpreter did not work; another may."""

    code = "FetchFailed"


def safe_reason(text: str, longest: int = LONGEST_REASON) -> str:
    """Return foreign text without addresses (they may hold credentials) and control characters."""
    # ATTACK: a private registry's URL carries its password, and error texts quote the URL.
    # tests/unit/node/test_resolve.py::test_a_password_in_an_index_url_is_not_repeated
    plain = _CONTROL.sub("", _ADDRESS.sub("<address>", text))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    joined = "; ".join(lines)
    return joined if len(joined) <= longest else f"{joined[: longest - 3]}..."
