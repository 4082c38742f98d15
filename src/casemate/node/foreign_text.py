r"""Text that user code wrote, made safe to show; pure.

Stored text stays as it came: JSON escapes it. What reaches a terminal or a status message passes
here first, because an escape sequence in a log line can retitle a window, hide the next line or
paste a command. Visible `\x1b` is worth more than a clean look.
"""

from __future__ import annotations

import re

# C0 without tab, DEL and C1; invisible and direction-changing characters (a log line that reads
# differently from what it says); line and paragraph separators; surrogates; Unicode tags.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_ONE_BYTE = 0x100
_TWO_BYTES = 0x10000


def terminal_safe(text: str) -> str:
    """Replace every character that a terminal would obey or hide by its visible escape."""
    # ATTACK: a Function prints escape sequences that act on the reader's terminal.
    # tests/unit/node/test_foreign_text.py
    return _UNSAFE.sub(_escape, text)


def safe_message(text: str, *, limit: int = 500) -> str:
    """Make one bounded line for a status out of what a sandbox said."""
    line = terminal_safe(" ".join(text[: limit * 2].split()))
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < _ONE_BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _TWO_BYTES else f"\\U{code:08x}"
