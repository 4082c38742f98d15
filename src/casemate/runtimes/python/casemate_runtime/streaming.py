"""Parts of a body that is sent as it is made."""

from __future__ import annotations

from casemate_runtime.reply import UnusableReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FILE_PART_BYTES = 64 * 1024


def text_parts(parts: Iterator[object]) -> Iterator[bytes]:
    """Encode text, pass bytes, refuse everything else; closes its source when it is closed."""
    try:
        for part in parts:
            if isinstance(part, str):
                yield part.encode()
            elif isinstance(part, bytes | bytearray | memoryview):
                yield bytes(part)
            else:
                raise UnusableReply(f"a {type(part).__name__} is no part of a body")
    finally:
        closing = getattr(parts, "close", None)
        if closing is not None:
            closing()


def file_parts(file: Any) -> Iterator[bytes]:
    """Read a file object to its end, in parts."""
    while part := file.read(FILE_PART_BYTES):
        yield part.encode() if isinstance(part, str) else bytes(part)
