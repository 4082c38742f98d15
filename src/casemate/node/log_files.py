"""Log files of Functions: `<log_dir>/<namespace>/<function>/<instance>.log`, rotated and bounded.

One thread writes them all, so that a slow disk never holds the engine's loop; what waits for it is
bounded for each file and in all, and what does not fit is dropped and counted. A disk that is full
costs lines, never the engine and never the Function: the store says what is wrong in `problem`,
tries again every few seconds, and writes how many lines are missing once it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from casemate import clock
from casemate.errors import InvalidInput
from casemate.node.log_records import NODE_STREAM, LineOrigin, LogRecord, parse_stored_line
from casemate.node.rotating_file import RotatingFile, Rotation, rotated_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A file whose writes wait longer than this many bytes loses lines: ten seconds of the log budget.
MAX_WAITING_BYTES_OF_A_FILE = 4 * 1024 * 1024
MAX_WAITING_BYTES = 32 * 1024 * 1024
# The kubelet keeps the last ended container's log; one more shows whether a crash repeats itself.
KEPT_ENDED_INSTANCES = 2
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_SUFFIX = ".log"


class InvalidLogName(InvalidInput):
    """A name cannot be part of a log file's path."""

    code = "InvalidLogName"


class LogFile:
    """One instance's log as the loop sees it: `append` never waits and never fails."""

    def __init__(self, store: LogStore, path: Path, instance: str) -> None:
        """Made by `LogStore.open`."""
        self.path = path
        self.instance = instance
        self._store = store
        self.waiting_bytes = 0
        self.dropped = 0

    def append(self, lines: bytes, count: int) -> None:
        """Queue `count` whole lines for the disk, or drop them and count."""
        self._store.submit(self, lines, count)

    def close(self) -> None:
        """Close the file after what is queued; the log stays on the disk."""
        self._store.retire(self)


_Work = tuple[LogFile, bytes, int] | tuple[LogFile, None, int] | None


class LogStore:
    """All log files of one engine, and the thread that writes them."""

    def __init__(
        self,
        log_dir: Path,
        *,
        rotation: Rotation | None = None,
        on_problem: Callable[[str], None] | None = None,
    ) -> None:
        """`on_problem` hears, on the loop that called `start`, each new value of `problem`."""
        self.problem = ""
        self._log_dir = log_dir
        self._rotation = rotation or Rotation()
        self._on_problem = on_problem
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._open: dict[Path, LogFile] = {}
        self._problems: dict[Path, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to write; call it on the engine's loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_all, name="log-files", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what is queued, close every file, end the thread."""
        if self._thread is not None:
            self._work.put(None)
            await asyncio.to_thread(self._thread.join, 5.0)
            self._thread = None

    def open(self, namespace: str, function: str, instance: str) -> LogFile:
        """Return the log of one instance; nothing touches the disk before the first line."""
        path = self._folder(namespace, function) / f"{_segment(instance)}{_SUFFIX}"
        log_file = LogFile(self, path, instance)
        with self._lock:
            self._open[path] = log_file
        return log_file

    def tail(self, namespace: str, function: str, *, limit: int) -> list[LogRecord]:
        """Read the newest records of a Function, oldest first; blocks, so call it in a thread."""
        records: list[LogRecord] = []
        newest = sorted(self._files(namespace, function), key=_modified_at, reverse=True)
        for path in newest:
            with contextlib.suppress(OSError):
                lines = path.read_bytes().splitlines()
                parsed = (parse_stored_line(line) for line in lines[-limit:])
                records += [record for record in parsed if record is not None]
            if len(records) >= limit:
                break
        return sorted(records, key=lambda record: record.time)[-limit:]

    def remove(self, namespace: str, function: str) -> None:
        """Delete a Function's logs; call it after its workers have stopped."""
        shutil.rmtree(self._folder(namespace, function), ignore_errors=True)

    def submit(self, log_file: LogFile, lines: bytes, count: int) -> None:
        """Queue lines of an open file; `LogFile.append` is the way to call it."""
        with self._lock:
            full = (
                log_file.waiting_bytes + len(lines) > MAX_WAITING_BYTES_OF_A_FILE
                or self._waiting_bytes + len(lines) > MAX_WAITING_BYTES
            )
            if full:
                log_file.dropped += count
                return
            log_file.waiting_bytes += len(lines)
            self._waiting_bytes += len(lines)
        self._work.put((log_file, lines, count))

    def retire(self, log_file: LogFile) -> None:
        """Close a file behind what is queued; `LogFile.close` is the way to call it."""
        self._work.put((log_file, None, 0))

    def _folder(self, namespace: str, function: str) -> Path:
        return self._log_dir / _segment(namespace) / _segment(function)

    def _files(self, namespace: str, function: str) -> Iterator[Path]:
        return self._folder(namespace, function).glob(f"*{_SUFFIX}*")

    def _write_all(self) -> None:
        writers: dict[Path, RotatingFile] = {}
        while (work := self._work.get()) is not None:
            log_file, lines, count = work
            if lines is None:
                writer = writers.pop(log_file.path, None)
                if writer is not None:
                    writer.close()
                    self._tell(log_file.path, "")
                with self._lock:
                    self._open.pop(log_file.path, None)
                continue
            writer = writers.get(log_file.path)
            if writer is None:
                self._prune(log_file.path.parent)
                writer = writers[log_file.path] = RotatingFile(log_file.path, self._rotation)
            self._write(writer, log_file, lines, count)
        for writer in writers.values():
            writer.close()

    def _write(self, writer: RotatingFile, log_file: LogFile, lines: bytes, count: int) -> None:
        with self._lock:
            log_file.waiting_bytes -= len(lines)
            self._waiting_bytes -= len(lines)
            missing = log_file.dropped
        note = _note_of(missing, log_file.instance) if missing else b""
        problem = writer.write(note + lines)
        with self._lock:
            log_file.dropped += count if problem else -missing
        self._tell(log_file.path, problem)

    def _tell(self, path: Path, problem: str) -> None:
        if problem:
            self._problems[path] = problem
        else:
            self._problems.pop(path, None)
        worst = next(iter(self._problems.values()), "")
        if worst == self.problem:
            return
        self.problem = worst
        if self._on_problem is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to hear
                self._loop.call_soon_threadsafe(self._on_problem, worst)

    def _prune(self, folder: Path) -> None:
        """Delete the logs of all but the newest ended instances of one Function."""
        # ATTACK: a Function that crashes for ever would fill the disk one small file at a time.
        # tests/unit/node/test_log_files.py
        with self._lock:
            open_paths = set(self._open)
        ended: dict[Path, float] = {}
        for path in folder.glob(f"*{_SUFFIX}*"):
            current = path if path.name.endswith(_SUFFIX) else path.with_suffix("")
            if current not in open_paths:
                ended[current] = max(ended.get(current, 0.0), _modified_at(path))
        oldest_first = sorted(ended, key=lambda path: ended[path])
        for current in oldest_first[: max(len(ended) - KEPT_ENDED_INSTANCES, 0)]:
            for path in (current, *rotated_paths(current, self._rotation.max_files)):
                with contextlib.suppress(OSError):
                    path.unlink()


def _segment(name: str) -> str:
    if not _SEGMENT.fullmatch(name):
        raise InvalidLogName(
            f"name {name[:80]!r} cannot name a log file", hint="use letters, digits, -, _ and ."
        )
    return name


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _note_of(missing: int, instance: str) -> bytes:
    origin = LineOrigin(clock.timestamp(), NODE_STREAM, instance)
    return origin.notice(f"dropped {missing} lines: they could not be written").json_line()
