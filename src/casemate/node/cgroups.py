"""Makes, bounds and removes the cgroups of one launcher: v1, v2, or both at once.

One group per launcher (`casemate-<pid>-<start>`), one below it per sandbox, in every hierarchy that
lets us. What cannot be bounded is not an error here: `bounded` says what is, and the planner turns
the rest into visible gaps. v2 allows no processes beside groups that have limits, so in a delegated
subtree our own processes step aside into a leaf. Standard library only: the launcher loads this.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.node.cgroup_files import (
    USAGE_FILES,
    Usage,
    Version,
    cpu_writes,
    joined,
    limit_writes,
    usage,
)
from casemate.node.cgroup_tree import (
    Hierarchy,
    group_name,
    hierarchies_of_this_process,
    stale_groups,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casemate.node.cgroup_files import Write
    from casemate.node.sandbox_steps import Limits

BOUNDING = frozenset({"cpu", "memory", "pids"})
_LEAF = "engine"
# The kernel empties a group a moment after its last process is reaped.
_REMOVE_ATTEMPTS = 100
_REMOVE_PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class _Part:
    """Our group in one hierarchy."""

    version: Version
    controllers: frozenset[str]
    group: Path
    vacated: Path | None = None
    """v2: the directory that our processes left for the leaf."""


@dataclass(slots=True)
class SandboxCgroup:
    """The groups of one sandbox, one per hierarchy."""

    parts: tuple[_Part, ...]

    def bounds(self, controller: str) -> bool:
        """Tell whether this controller binds here."""
        return any(controller in part.controllers for part in self.parts)

    def join_files(self) -> list[str]:
        """Return the files into which a process writes 0 to enter."""
        return [str(part.group / "cgroup.procs") for part in self.parts]

    def set_cpu_millis(self, cpu_millis: int) -> None:
        """Change the CPU quota of a running sandbox."""
        for part in self.parts:
            if "cpu" in part.controllers:
                _apply(part.group, cpu_writes(part.version, cpu_millis))

    def usage(self) -> Usage:
        """Read what was used up to now."""
        return joined(
            [
                usage(part.version, _texts(part.group, USAGE_FILES[part.version]))
                for part in self.parts
            ]
        )

    def pids(self) -> set[int]:
        """Return every process in any part."""
        return {pid for part in self.parts for pid in _pids(part.group)}

    def kill(self) -> None:
        """End every process, also those that fork while we look."""
        _kill_group([part.group for part in self.parts])

    def remove(self, *, attempts: int = _REMOVE_ATTEMPTS) -> bool:
        """Remove the groups; False when the kernel still holds one."""
        removed = [_remove(part.group, attempts) for part in self.parts]
        return all(removed)


@dataclass(slots=True)
class LauncherCgroups:
    """The launcher's own groups, and those of its sandboxes."""

    name: str
    parts: tuple[_Part, ...]
    refusals: dict[str, str] = field(default_factory=dict)
    """Why a hierarchy could not be used, by its mount point; for people."""

    @property
    def bounded(self) -> frozenset[str]:
        """The controllers that bind here: some of cpu, memory, pids."""
        return frozenset(c for part in self.parts for c in part.controllers) & BOUNDING

    @property
    def versions(self) -> tuple[str, ...]:
        """Interfaces in use, `v1` before `v2`."""
        return tuple(sorted({part.version.value for part in self.parts}))

    def make(self, name: str, limits: Limits) -> SandboxCgroup:
        """Make and bound the groups of one sandbox. Raises OSError, leaving none behind."""
        made: list[_Part] = []
        try:
            for part in self.parts:
                group = part.group / name
                group.mkdir(mode=0o755)
                made.append(_Part(part.version, part.controllers, group))
                _apply(group, limit_writes(part.version, part.controllers, limits))
        except OSError:
            SandboxCgroup(tuple(made)).remove()
            raise
        return SandboxCgroup(tuple(made))

    def kill_all(self) -> None:
        """End every process of every sandbox."""
        groups = [
            Path(folder)
            for part in self.parts
            for folder, _names, _files in os.walk(part.group)
            if folder != str(part.group) and Path(folder).name != _LEAF
        ]
        _kill_group(groups)

    def remove(self) -> bool:
        """Remove everything; our own processes go back to where they were."""
        removed = [_remove_tree(part) for part in self.parts]
        return all(removed)


def open_cgroups(
    own_pids: Iterable[int], usable: Callable[[Hierarchy], bool] = lambda _hierarchy: True
) -> LauncherCgroups:
    """Make the launcher's groups wherever this user may. `own_pids` may be moved aside on v2."""
    name = group_name(os.getpid())
    parts: list[_Part] = []
    refusals: dict[str, str] = {}
    for hierarchy in filter(usable, hierarchies_of_this_process()):
        try:
            parts.append(_open_part(hierarchy, name, frozenset(own_pids)))
        except OSError as error:
            refusals[str(hierarchy.mount_point)] = _reason(error)
    return LauncherCgroups(name, tuple(parts), refusals)


def remove_stale() -> list[str]:
    """Kill and remove what dead launchers left; return the names of what was removed."""
    stale = [
        path for one in hierarchies_of_this_process() for path in stale_groups(one.mount_point)
    ]
    for path in stale:
        groups = [Path(folder) for folder, _names, _files in os.walk(path)]
        if os.access(path, os.W_OK):
            _kill_group(groups)
            for group in sorted(groups, reverse=True):
                _remove(group)
    return sorted({path.name for path in stale if not path.exists()})


def _open_part(hierarchy: Hierarchy, name: str, own_pids: frozenset[int]) -> _Part:
    if hierarchy.version is Version.V1:
        group = hierarchy.own / name
        group.mkdir(mode=0o755)
        return _Part(Version.V1, hierarchy.controllers, group)
    return _open_v2(hierarchy, name, own_pids)


def _open_v2(hierarchy: Hierarchy, name: str, own_pids: frozenset[int]) -> _Part:
    at_root = os.geteuid() == 0 and hierarchy.shows_real_root
    parent = hierarchy.mount_point if at_root else hierarchy.own
    offered = frozenset(_text(parent / "cgroup.controllers").split()) & BOUNDING
    group = parent / name
    group.mkdir(mode=0o755)
    if not offered:
        # Hybrid: v1 bounds, and this hierarchy still kills a whole group at once.
        return _Part(Version.V2, frozenset(), group)
    vacated = None if at_root else parent
    try:
        if vacated is not None:
            _step_aside(parent, group / _LEAF, own_pids)
        wanted = " ".join(f"+{one}" for one in sorted(offered))
        _write(parent / "cgroup.subtree_control", wanted)
        _write(group / "cgroup.subtree_control", wanted)
    except OSError:
        _remove_tree(_Part(Version.V2, offered, group, vacated))
        raise
    return _Part(Version.V2, offered, group, vacated)


def _step_aside(parent: Path, leaf: Path, own_pids: frozenset[int]) -> None:
    strangers = _pids(parent) - own_pids
    if strangers:
        raise OSError(errno.EBUSY, f"{len(strangers)} other processes live there", str(parent))
    leaf.mkdir(mode=0o755)
    for pid in _pids(parent):
        _write(leaf / "cgroup.procs", str(pid))


def _remove_tree(part: _Part) -> bool:
    leaf = part.group / _LEAF
    below = [Path(folder) for folder, _names, _files in os.walk(part.group)]
    removed = [_remove(one) for one in sorted(below, reverse=True) if one not in {part.group, leaf}]
    if part.vacated is not None:
        unwanted = " ".join(f"-{one}" for one in sorted(part.controllers))
        _write_if_possible(part.group / "cgroup.subtree_control", unwanted)
        _write_if_possible(part.vacated / "cgroup.subtree_control", unwanted)
        for pid in _pids(leaf):
            _write_if_possible(part.vacated / "cgroup.procs", str(pid))
        removed.append(_remove(leaf))
    return all(removed) and _remove(part.group)


def _kill_group(groups: list[Path]) -> None:
    for group in groups:
        # A single write that no fork can outrun; exists on v2 since Linux 5.14.
        _write_if_possible(group / "cgroup.kill", "1")
    for _ in range(_REMOVE_ATTEMPTS):
        pids = {pid for group in groups for pid in _pids(group)}
        if not pids:
            return
        for pid in pids:
            _kill(pid)
        time.sleep(_REMOVE_PAUSE_SECONDS)


def _kill(pid: int) -> None:
    # 0 stands for a process that our pid namespace cannot name; kill(0) would be ourselves.
    if pid > 0 and pid != os.getpid():
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _remove(group: Path, attempts: int = _REMOVE_ATTEMPTS) -> bool:
    for attempt in range(attempts):
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBUSY or attempt + 1 == attempts:
                return False
            time.sleep(_REMOVE_PAUSE_SECONDS)
        else:
            return True
    return False


def _apply(group: Path, writes: Iterable[Write]) -> None:
    for write in writes:
        if write.required:
            _write(group / write.file, write.value)
        else:
            _write_if_possible(group / write.file, write.value)


def _write(path: Path, value: str) -> None:
    # Without O_CREAT: a file that the kernel lacks must be an error and not a new file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("ascii"))
    finally:
        os.close(descriptor)


def _write_if_possible(path: Path, value: str) -> None:
    try:
        _write(path, value)
    except OSError:
        return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _texts(group: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: text for name in names if (text := _text(group / name))}


def _pids(group: Path) -> set[int]:
    return {int(word) for word in _text(group / "cgroup.procs").split() if word.isdigit()}


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
