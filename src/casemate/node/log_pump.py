"""Moves what an instance prints from its pipes to its log file and to followers.

User code decides how much it prints, so each Function has two budgets. Beyond the first its lines
are dropped, with a visible count, so that neither disk nor followers drown. Beyond the second its
pipes are read more slowly: then the flooding Function waits in its own `write`, and the engine's
loop and the other Functions do not. Within both, a Function never waits for the node.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate import clock
from casemate.node.log_records import LineOrigin, LineSplitter
from casemate.node.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from casemate.node.log_files import LogFile, LogStore
    from casemate.node.log_hub import LogHub
    from casemate.node.log_records import LogRecord

# Every stored line costs this many bytes more: the JSON around it, and the time it takes.
LINE_OVERHEAD_BYTES = 200
_READ_BYTES = 64 * 1024
# About 2 ms of work; other Functions and probes get their turn in between.
_LINES_PER_TURN = 256
_SLOW_READ_SECONDS = 0.1
_NOTICE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What one Function may print."""

    stored_bytes_per_second: int = 512 * 1024
    """About 1,700 ordinary lines a second; its 50 MiB of files last over a minute even then."""
    stored_burst_bytes: int = 8 * 1024 * 1024
    """A stack of 25,000 lines at once is kept whole."""
    read_bytes_per_second: int = 16 * 1024 * 1024
    """Reading and dropping this much costs the loop about 1 % of a core."""
    read_burst_bytes: int = 16 * 1024 * 1024


class FunctionLog:
    """Where the lines of one Function go, and how many it may still print.

    One for all instances of a Function: a crash loop does not renew the budget.
    """

    def __init__(
        self,
        namespace: str,
        function: str,
        *,
        store: LogStore,
        hub: LogHub,
        limits: LogLimits | None = None,
    ) -> None:
        self._namespace = namespace
        self._function = function
        self._store = store
        self._hub = hub
        limits = limits or LogLimits()
        now = clock.monotonic_seconds()
        self.storing = TokenBucket(
            per_second=limits.stored_bytes_per_second, burst=limits.stored_burst_bytes, now=now
        )
        self.reading = TokenBucket(
            per_second=limits.read_bytes_per_second, burst=limits.read_burst_bytes, now=now
        )

    def open(self, instance: str) -> LogFile:
        """Open the log file of an instance."""
        return self._store.open(self._namespace, self._function, instance)

    def write(self, log_file: LogFile, records: list[LogRecord]) -> None:
        """Store records and offer them to followers; never waits."""
        if records:
            lines = b"".join([record.json_line() for record in records])
            log_file.append(lines, len(records))
            self._hub.publish(self._namespace, self._function, records)


class LogPump:
    """Reads the two pipes of one instance until they end or it is closed."""

    def __init__(
        self, function_log: FunctionLog, instance: str, *, stdout_fd: int, stderr_fd: int
    ) -> None:
        """Read from now on; the descriptors stay the caller's, who closes them after `close`."""
        self._function_log = function_log
        self._file = function_log.open(instance)
        self._streams = [
            _StreamPump(function_log, self._file, stream, fd)
            for stream, fd in (("stdout", stdout_fd), ("stderr", stderr_fd))
        ]

    def note(self, message: str) -> None:
        """Write a line of the node's own between the instance's."""
        origin = LineOrigin(clock.timestamp(), "", self._file.instance)
        self._function_log.write(self._file, [origin.notice(message)])

    async def drained(self, seconds: float) -> None:
        """Wait until both pipes have ended, at most this long."""
        await asyncio.wait([stream.ended for stream in self._streams], timeout=seconds)

    def close(self) -> None:
        """Stop reading and close the log file; safe to call twice."""
        for stream in self._streams:
            stream.close()
        self._file.close()


class _StreamPump:
    """One pipe."""

    def __init__(self, function_log: FunctionLog, log_file: LogFile, stream: str, fd: int) -> None:
        self._log = function_log
        self._file = log_file
        self._stream = stream
        self._fd = fd
        self._splitter = LineSplitter()
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.Handle] = {}
        self._dropping = False
        self._dropped_lines = 0
        self._dropped_bytes = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def close(self) -> None:
        if not self.ended.done():
            self._loop.remove_reader(self._fd)
            self._tell_dropped()
            self.ended.set_result(None)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _read(self) -> None:
        now = clock.monotonic_seconds()
        if self._log.reading.available(now) <= 0:
            # ATTACK: a Function prints as fast as it can to keep the engine's loop busy.
            # tests/unit/node/test_log_pump.py
            self._pause(_SLOW_READ_SECONDS)
            return
        try:
            chunk = os.read(self._fd, _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._end()
            return
        self._log.reading.spend(len(chunk))
        self._splitter.feed(chunk)
        self._turn()

    def _turn(self) -> None:
        """Store some of the lines that were read; read on when none are left."""
        now = clock.monotonic_seconds()
        if self._dropping and self._log.storing.available(now) < self._log.storing.per_second:
            self._drop()
            return
        if self._dropping:
            self._dropping = False
            self._tell_dropped()
        records = self._take_records(now)
        self._log.write(self._file, records)
        if self._dropping:
            self._drop()
        elif len(records) == _LINES_PER_TURN:
            self._pause(0.0)

    def _take_records(self, now: float) -> list[LogRecord]:
        origin = LineOrigin(clock.timestamp(), self._stream, self._file.instance)
        budget = self._log.storing.available(now)
        records: list[LogRecord] = []
        while len(records) < _LINES_PER_TURN and (taken := self._splitter.take()) is not None:
            line, partial = taken
            cost = len(line) + LINE_OVERHEAD_BYTES
            records.append(origin.record(line, partial=partial))
            self._log.storing.spend(cost)
            budget -= cost
            if budget <= 0:
                self._dropping = True
                break
        return records

    def _drop(self) -> None:
        lines, size = self._splitter.discard()
        self._dropped_lines += lines
        self._dropped_bytes += size
        self._later("notice", _NOTICE_SECONDS, self._tell_dropped)

    def _tell_dropped(self) -> None:
        if self._dropped_bytes:
            origin = LineOrigin(clock.timestamp(), self._stream, self._file.instance)
            notice = origin.notice(
                f"dropped {self._dropped_lines} lines ({self._dropped_bytes} bytes) of"
                f" {self._stream}: more than {self._log.storing.per_second:.0f} bytes/s"
            )
            self._dropped_lines = self._dropped_bytes = 0
            self._log.write(self._file, [notice])

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._fd)
        self._later("resume", seconds, self._resume)

    def _resume(self) -> None:
        self._turn()
        if "resume" not in self._timers and not self.ended.done():
            self._loop.add_reader(self._fd, self._read)

    def _end(self) -> None:
        """Store what is left, a turn at a time, and then the last line, which has no end."""
        self._loop.remove_reader(self._fd)
        now = clock.monotonic_seconds()
        records = self._take_records(now) if not self._dropping else []
        self._log.write(self._file, records)
        if self._dropping:
            self._drop()
        elif len(records) == _LINES_PER_TURN:
            self._later("end", 0.0, self._end)
            return
        if last := self._splitter.rest():
            origin = LineOrigin(clock.timestamp(), self._stream, self._file.instance)
            self._log.write(self._file, [origin.record(last)])
        self.close()

    def _later(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        def fire() -> None:
            del self._timers[name]
            callback()

        if name not in self._timers:
            self._timers[name] = self._loop.call_later(seconds, fire)
