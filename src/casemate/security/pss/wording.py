"""How details of violations are worded, so that every rule reads alike.

Names and values come from untrusted manifests: they are quoted, escaped and cut, and long lists
are counted, so that a manifest can neither forge lines nor flood the one who reads the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

# Longer than any valid container, volume or sysctl name that is worth reading in full.
MAX_QUOTED = 128
MAX_LISTED = 12


def quoted(text: str) -> str:
    """Quote untrusted text; what is not printable ASCII shows as an escape."""
    # ATTACK: a name with terminal escapes or newlines could rewrite the report that refuses it.
    # tests/unit/security/pss/test_wording.py
    shown = text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "..."
    return json.dumps(shown)


def listed(items: Iterable[str]) -> str:
    """Join already quoted items, the first few in full and the rest as a number."""
    given = list(items)
    shown = ", ".join(given[:MAX_LISTED])
    hidden = len(given) - MAX_LISTED
    return shown if hidden <= 0 else f"{shown} and {hidden} more"


def quoted_set(values: Iterable[str]) -> str:
    """Quote each distinct value once, in order of the alphabet."""
    return listed(quoted(value) for value in sorted(set(values)))


def fix(where: Sequence[str], what: str) -> str:
    """Say who has to change and what: `container "a": set x to y`."""
    return f"{listed(where)}: {what}"
