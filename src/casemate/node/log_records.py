"""One line that a Function wrote: cut to size, read, and written as the JSON line we keep; pure.

The text is foreign. A line that is itself one of the runtime's JSON lines gives its request id,
level and message; anything else is the message. Neither is trusted: a Function can write what it
likes under any request id of its own, and only its own log shows it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

# Longer lines are split: a reader of one line needs a bound, and so does a Function's memory here.
MAX_LINE_BYTES = 16 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
# The stream of lines that the node itself adds, such as how many it had to drop.
NODE_STREAM = "node"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One stored line. `message` is raw: pass it through `terminal_safe` before showing it."""

    time: str
    stream: str
    instance: str
    message: str
    request_id: str = ""
    level: str = ""
    partial: bool = False
    """True: the line was longer than the limit and goes on in the next record."""

    def json_line(self) -> bytes:
        """Write the record as one line of ASCII JSON."""
        stored: dict[str, object] = {
            "time": self.time,
            "stream": self.stream,
            "instance": self.instance,
        }
        if self.request_id:
            stored["request_id"] = self.request_id
        if self.level:
            stored["level"] = self.level
        if self.partial:
            stored["partial"] = True
        stored["message"] = self.message
        return json.dumps(stored, separators=(",", ":")).encode("ascii") + b"\n"


def parse_stored_line(line: bytes) -> LogRecord | None:
    """Read back what `json_line` wrote; None for a line that a full disk or a crash has torn."""
    try:
        stored = json.loads(line)
        return LogRecord(
            time=stored["time"],
            stream=stored["stream"],
            instance=stored["instance"],
            message=stored["message"],
            request_id=stored.get("request_id", ""),
            level=stored.get("level", ""),
            partial=stored.get("partial", False),
        )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class LineOrigin:
    """Where and when a batch of lines was read."""

    time: str
    stream: str
    instance: str

    def record(self, line: bytes, *, partial: bool = False) -> LogRecord:
        """Read one line of the sandbox."""
        text = line.decode("utf-8", "replace")
        structured = None if partial else _structured(text)
        if structured is None:
            return LogRecord(self.time, self.stream, self.instance, text, partial=partial)
        message, request_id, level = structured
        return LogRecord(self.time, self.stream, self.instance, message, request_id, level)

    def notice(self, message: str) -> LogRecord:
        """Write a line of the node's own into the same log."""
        return LogRecord(self.time, NODE_STREAM, self.instance, message, level="warning")


def _structured(text: str) -> tuple[str, str, str] | None:
    if not text.startswith("{"):
        return None
    try:
        spoken = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(spoken, dict):
        return None
    message = spoken.get("message")
    if not isinstance(message, str):
        return None
    request_id, level = spoken.get("request_id"), spoken.get("level")
    known_id = isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id)
    level = level.lower() if isinstance(level, str) else ""
    return message, str(request_id) if known_id else "", level if level in _LEVELS else ""


class LineSplitter:
    """Cuts a byte stream into lines of bounded length, a few at a time."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._buffer = b""
        self._start = 0
        self._skipping = False

    def __len__(self) -> int:
        """Bytes held back, whole lines included."""
        return len(self._buffer) - self._start

    def feed(self, chunk: bytes) -> None:
        """Add what was read."""
        self._buffer = self._buffer[self._start :] + chunk
        self._start = 0

    def take(self) -> tuple[bytes, bool] | None:
        """Return the next line and whether it is only a part of one; None when more is needed."""
        if self._skipping and not self._skip_to_line():
            return None
        end = self._buffer.find(b"\n", self._start, self._start + self._max + 1)
        if end >= 0:
            line = self._buffer[self._start : end]
            self._start = end + 1
            return line.removesuffix(b"\r"), False
        if len(self) > self._max:
            return self._cut(self._max), True
        return None

    def rest(self) -> bytes:
        """Return a last line without an end."""
        held = self._cut(len(self))
        return b"" if self._skipping else held

    def discard(self) -> tuple[int, int]:
        """Drop all that is held and what its last line still brings; return lines and bytes."""
        held = self._cut(len(self))
        lines = held.count(b"\n") - (self._skipping and b"\n" in held)
        left_open = bool(held) and not held.endswith(b"\n")
        if left_open and (b"\n" in held or not self._skipping):
            lines += 1
        if held:
            self._skipping = left_open
        return lines, len(held)

    def _skip_to_line(self) -> bool:
        end = self._buffer.find(b"\n", self._start)
        self._start = len(self._buffer) if end < 0 else end + 1
        self._skipping = end < 0
        return not self._skipping

    def _cut(self, size: int) -> bytes:
        part = self._buffer[self._start : self._start + size]
        self._start += size
        return part
