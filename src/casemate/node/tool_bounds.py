"""What a tool may use: control groups where this machine has them, and bytes on the disk.

A tool unpacks foreign archives. Its processes share one group per run (memory, processes, CPU);
where no group can be had, the limits of each process remain (`tool_exec`). Control groups do not
count bytes on a disk, so these are looked at while the tool runs.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from casemate import clock
from casemate.node import trees
from casemate.node.cgroup_files import Version
from casemate.node.cgroup_tree import Hierarchy
from casemate.node.cgroups import LauncherCgroups, SandboxCgroup, open_cgroups
from casemate.node.sandbox_steps import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TOOL_LIMITS = Limits(
    cpu_millis=2000,
    # Half of a Function's weight: a build may be slow, a request may not.
    cpu_shares=512,
    # npm keeps the whole tree of a large application in memory.
    memory_bytes=2 << 30,
    processes=512,
    open_files=4096,
    file_bytes=1 << 30,
    start_cpu_millis=2000,
)
_LOOK_SECONDS = 0.5
# A look costs a walk; it may take at most a twentieth of the time.
_PAUSE_PER_WALK = 20


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """What one run may add to the directories that it may write."""

    entries: int = 200_000
    total_bytes: int = 2 << 30


class WriteGuard:
    """Compares what a run has written with what it may write."""

    def __init__(self, places: Sequence[Path], limits: WriteLimits) -> None:
        self._places = places
        self._limits = limits
        self._before = [_cost(place) for place in places]
        self.pause_seconds = _LOOK_SECONDS

    def is_exceeded(self) -> bool:
        """Look; sets how long to wait before the next look."""
        began = clock.monotonic_seconds()
        entries = size = 0
        for place, (entries_before, size_before) in zip(self._places, self._before, strict=True):
            entries_now, size_now = _cost(place)
            entries += entries_now - entries_before
            size += size_now - size_before
        walked = clock.monotonic_seconds() - began
        self.pause_seconds = max(_LOOK_SECONDS, walked * _PAUSE_PER_WALK)
        return entries > self._limits.entries or size > self._limits.total_bytes


def _cost(place: Path) -> tuple[int, int]:
    entries = size = 0
    # A file may go while we look; what is missed is seen at the next look.
    with suppress(OSError):
        for _name, _path, status in trees.walk(place):
            entries += 1
            # Blocks, because a sparse file costs nothing and a small one a whole block.
            size += status.st_blocks * 512 if stat.S_ISREG(status.st_mode) else 0
    return entries, size


class _Groups:
    """The groups of this process's tools: made for the first, removed after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._groups: LauncherCgroups | None = None
        self._numbers = count()

    @contextmanager
    def joined(self) -> Iterator[SandboxCgroup | None]:
        cgroup = self._take()
        try:
            yield cgroup
        finally:
            if cgroup is not None:
                cgroup.kill()
                cgroup.remove()
            self._give_back()

    def _take(self) -> SandboxCgroup | None:
        with self._lock:
            self._users += 1
            if self._groups is None:
                self._groups = open_cgroups({os.getpid()}, usable=_needs_no_move)
            try:
                return self._groups.make(f"t{next(self._numbers)}", TOOL_LIMITS)
            except OSError:
                return None

    def _give_back(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._groups is not None:
                self._groups.remove()
                self._groups = None


def _needs_no_move(hierarchy: Hierarchy) -> bool:
    # Elsewhere on v2 every process of ours would have to step aside, threads and all, for a tool.
    return hierarchy.version is Version.V1 or (os.geteuid() == 0 and hierarchy.shows_real_root)


tool_group = _Groups().joined
"""Gives one run its group, or None where this machine lends none; kills what is left in it."""
