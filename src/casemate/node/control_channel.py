"""What a runtime tells the node: JSON lines from inside the sandbox, so from whoever runs there.

Believed only in what concerns the speaker itself: it is ready, it cannot load, it retires. All else
is counted and ignored. A well-meaning runtime says about three things in its life, so the channel
closes for good after a small number of bytes: a flood costs the node nothing further.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.node.foreign_text import safe_message

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# The longest honest line is load_failed with a message of about 500 characters.
MAX_LINE_BYTES = 8 * 1024
MAX_BYTES = 64 * 1024
MAX_LINES = 64
_READ_BYTES = 4 * 1024
_MAX_REASON = 64


@dataclass(frozen=True, slots=True)
class RuntimeReady:
    """The handler is loaded and requests are accepted."""


@dataclass(frozen=True, slots=True)
class RuntimeLoadFailed:
    """The handler cannot be loaded; `message` is bounded and safe to show."""

    message: str


@dataclass(frozen=True, slots=True)
class RuntimeRetiring:
    """No further request is accepted; those in hand are finished."""


ControlEvent = RuntimeReady | RuntimeLoadFailed | RuntimeRetiring


def parse_control_line(line: bytes) -> ControlEvent | None:
    """Read one line; None for anything that is not one of the three events."""
    try:
        spoken = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(spoken, dict):
        return None
    match spoken.get("event"):
        case "ready":
            return RuntimeReady()
        case "retiring":
            return RuntimeRetiring()
        case "load_failed":
            reason = safe_message(_text(spoken, "reason"), limit=_MAX_REASON)
            message = safe_message(_text(spoken, "message"))
            return RuntimeLoadFailed(": ".join(part for part in (reason, message) if part))
        case _:
            return None


def _text(spoken: dict[str, object], key: str) -> str:
    value = spoken.get(key)
    return value if isinstance(value, str) else ""


class ControlChannel:
    """Reads one instance's control socket until it ends, is closed or talks too much."""

    def __init__(self, channel: socket.socket, on_event: Callable[[ControlEvent], None]) -> None:
        """Own `channel`; `on_event` is called on the running loop."""
        channel.settimeout(0)
        self._channel = channel
        self._on_event = on_event
        self._pending = b""
        self._bytes = 0
        self._lines = 0
        self._closed = False
        self.malformed = 0
        self.overflowed = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel, self._read)

    def finish(self) -> None:
        """Hear what was said before the sandbox ended, then close."""
        while not self._closed and self._read():
            pass
        self.close()

    def close(self) -> None:
        """Stop listening; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._channel)
            self._channel.close()

    def _read(self) -> bool:
        """Read once; tell whether there was anything."""
        try:
            # Plain recv: descriptors that the sandbox attaches are closed by the kernel.
            chunk = self._channel.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return False
        self._bytes += len(chunk)
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            self._line(line)
            if self._closed:
                return False
        if self._bytes > MAX_BYTES or len(self._pending) > MAX_LINE_BYTES:
            self._overflow()
        return True

    def _line(self, line: bytes) -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            self._overflow()
            return
        event = parse_control_line(line)
        if event is None:
            self.malformed += 1
        else:
            self._on_event(event)

    def _overflow(self) -> None:
        # ATTACK: user code writes control lines without end to keep the node's loop busy.
        # tests/unit/node/test_control_channel.py
        self.overflowed = True
        self.close()
