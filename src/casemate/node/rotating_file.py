"""One append-only file that is rotated by size and survives a full disk.

It never raises for a disk that refuses: it says what is wrong, stays out of the way for a few
seconds, and never leaves half a line behind. For one thread.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate import clock

if TYPE_CHECKING:
    from pathlib import Path

# A full disk seldom empties within a second, and each try costs a system call per file only.
RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """How much of one instance's log is kept; the kubelet's defaults."""

    max_bytes: int = 10 * 1024 * 1024
    max_files: int = 5


class RotatingFile:
    """`<path>`, and `<path>.1` .. for what was rotated away."""

    def __init__(self, path: Path, rotation: Rotation) -> None:
        self._path = path
        self._rotation = rotation
        self._fd: int | None = None
        self._size = 0
        self._retry_at = 0.0
        self._problem = ""

    def write(self, lines: bytes) -> str:
        """Append whole lines; return what is wrong, or nothing."""
        if self._problem and clock.monotonic_seconds() < self._retry_at:
            return self._problem
        try:
            self._append(lines)
        except OSError as error:
            self._problem = f"log files cannot be written: {error.strerror}"
            self._retry_at = clock.monotonic_seconds() + RETRY_SECONDS
            self.close()
        else:
            self._problem = ""
        return self._problem

    def close(self) -> None:
        """Close the descriptor; a later write opens the file again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _append(self, lines: bytes) -> None:
        fd = self._fd if self._fd is not None else self._open()
        if self._size and self._size + len(lines) > self._rotation.max_bytes:
            fd = self._rotate()
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError:
            # Take back the torn half line: what stands in the file stays readable.
            with contextlib.suppress(OSError):
                os.ftruncate(fd, self._size)
            raise
        self._size += len(lines)

    def _open(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size
        return self._fd

    def _rotate(self) -> int:
        self.close()
        rotated = rotated_paths(self._path, self._rotation.max_files)
        if not rotated:
            self._path.unlink()
            return self._open()
        for source, target in reversed(list(zip((self._path, *rotated), rotated, strict=False))):
            with contextlib.suppress(FileNotFoundError):
                source.replace(target)
        return self._open()


def rotated_paths(path: Path, max_files: int) -> list[Path]:
    """Return where a file's older parts are, newest first."""
    return [path.with_name(f"{path.name}.{number}") for number in range(1, max_files)]
