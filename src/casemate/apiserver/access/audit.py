"""The audit log: who asked for what, and what became of it; one JSON object per line.

Never a body, a query or a header but the client's name for itself: a log that held secrets would be
one more place to steal them from. A change is only made when its line could be written first; a
read is answered in any case, and lines that were lost are counted.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import structlog

from casemate import clock
from casemate.apiserver.call import Seen
from casemate.apiserver.status_error import ApiError

LARGEST_FILE_BYTES = 16 * 1024 * 1024
KEPT_FILES = 5
# What an engine without a data directory remembers.
KEPT_LINES = 2000
_LONGEST_PATH_CHARS = 1024
_READING_VERBS = frozenset({"get", "list", "watch", "head", "options"})


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> None:
        """Keep one line, its line feed included. Raises OSError."""

    def close(self) -> None:
        """Give everything back."""


class AuditLog:
    """The Auditor of the API: one line before a change, one after every request."""

    def __init__(self, sink: Sink, timestamp: Callable[[], str] = clock.timestamp) -> None:
        self._sink = sink
        self._timestamp = timestamp
        self._log = structlog.get_logger("audit")
        self._is_failing = False
        self.lost_lines = 0
        """Lines that could not be written since the start."""

    def begin(self, seen: Seen) -> None:
        """Write the line that must exist before a change. Raises ApiError 503 when it cannot."""
        if _verb(seen) in _READING_VERBS:
            return
        # ATTACK: who fills the disk would otherwise change things without a trace.
        # tests/unit/apiserver/access/test_audit.py
        if not self._write(self._line(seen, "RequestReceived")):
            raise ApiError(
                503,
                "ServiceUnavailable",
                "the audit log cannot be written, so nothing may be changed",
                retry_after_seconds=5,
            )

    def end(self, seen: Seen, status: int) -> None:
        """Write the line of an answered request; a line that is lost is counted."""
        self._write(self._line(seen, "ResponseComplete") | {"code": status})

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def _write(self, line: dict[str, Any]) -> bool:
        try:
            self._sink.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            self.lost_lines += 1
            if not self._is_failing:
                self._log.error("the audit log cannot be written", reason=error.strerror)
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _line(self, seen: Seen, stage: str) -> dict[str, Any]:
        line: dict[str, Any] = {
            "time": self._timestamp(),
            "auditID": seen.identity,
            "stage": stage,
            "user": seen.user.name if seen.user else "",
            "verb": _verb(seen),
            "path": seen.path[:_LONGEST_PATH_CHARS],
            "decision": _decision(seen),
            "sourceIP": seen.source,
            "userAgent": seen.user_agent,
        }
        if seen.user is not None:
            line["groups"] = list(seen.user.groups)
            if seen.user.impersonated_by:
                line["impersonatedBy"] = seen.user.impersonated_by
        if seen.asked is not None and seen.asked.is_resource:
            line["objectRef"] = {
                key: value
                for key, value in (
                    ("group", seen.asked.group),
                    ("version", seen.asked.version),
                    ("resource", seen.asked.plural),
                    ("subresource", seen.asked.subresource),
                    ("namespace", seen.asked.namespace),
                    ("name", seen.asked.name),
                )
                if value
            }
        if seen.decision is not None and seen.decision.reason:
            line["reason"] = seen.decision.reason
        return line


class AuditFile:
    """A file of mode 0600 that starts anew when it is full; a few old ones are kept."""

    def __init__(
        self,
        path: Path,
        largest_bytes: int = LARGEST_FILE_BYTES,
        kept_files: int = KEPT_FILES,
    ) -> None:
        """Open or make the file. Raises OSError."""
        self._path = path
        self._largest_bytes = largest_bytes
        self._kept_files = kept_files
        self._fd, self._size = _opened(path)

    def write(self, line: bytes) -> None:
        """Append one whole line or nothing that counts as one. Raises OSError."""
        if self._fd < 0:
            self._fd, self._size = _opened(self._path)
        if self._size and self._size + len(line) > self._largest_bytes:
            self._rotate()
        written = os.write(self._fd, line)
        if written != len(line):
            # A disk that was full in the middle of a line: take the half back.
            os.ftruncate(self._fd, self._size)
            raise OSError(28, "no space left for the whole line")
        self._size += written

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _rotate(self) -> None:
        for number in range(self._kept_files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self.close()
        self._fd, self._size = _opened(self._path)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class AuditRing:
    """The last lines, in memory: for an engine that keeps nothing."""

    def __init__(self, kept_lines: int = KEPT_LINES) -> None:
        self._lines: deque[bytes] = deque(maxlen=kept_lines)

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._lines))

    def write(self, line: bytes) -> None:
        """Keep a line; the oldest goes when there are too many."""
        self._lines.append(line)

    def close(self) -> None:
        """Keep the lines: there is nothing to give back."""


def _opened(path: Path) -> tuple[int, int]:
    # ATTACK: a planted link would choose which file grows.
    # tests/unit/apiserver/access/test_audit.py
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    os.fchmod(fd, 0o600)
    return fd, os.fstat(fd).st_size


def _verb(seen: Seen) -> str:
    return seen.asked.verb if seen.asked is not None else seen.method.lower()


def _decision(seen: Seen) -> str:
    if seen.user is None:
        return "unauthenticated"
    if seen.decision is None:
        return "unreadable"
    return "allow" if seen.decision.allowed else "forbid"
