"""Where this process stands in the machine's cgroup hierarchies, of either version; reads only.

`/proc/self/mountinfo` says where a hierarchy is mounted and which part of it is visible there,
`/proc/self/cgroup` where we are in it. Both are needed: inside a container the two disagree about
the root. Standard library only: the launcher loads this module.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from casemate.node.cgroup_files import Version

# cpuacct only counts; the other three bound something.
CONTROLLERS = frozenset({"cpu", "cpuacct", "memory", "pids"})
_FIELDS_BEFORE_SEPARATOR = 6
# Deep enough for systemd's user.slice/user-1000.slice/user@1000.service/app.slice/run-x.scope.
_SEARCH_DEPTH = 6
_SEARCH_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy, and our own directory in it."""

    version: Version
    controllers: frozenset[str]
    mount_point: Path
    own: Path

    @property
    def shows_real_root(self) -> bool:
        """Whether the mount shows the machine's root cgroup and not a container's."""
        return not (self.mount_point / "cgroup.type").exists()


def read_hierarchies(mountinfo: str, cgroups: str) -> tuple[Hierarchy, ...]:
    """Combine the texts of /proc/self/mountinfo and /proc/self/cgroup."""
    positions = _positions(cgroups)
    found: dict[Path, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        if len(fields) < _FIELDS_BEFORE_SEPARATOR or tail[0] not in {"cgroup", "cgroup2"}:
            continue
        root, mount_point = fields[3], Path(_unescaped(fields[4]))
        if tail[0] == "cgroup2":
            version, names = Version.V2, frozenset[str]()
        else:
            version, names = Version.V1, frozenset(tail[2].split(",")) & CONTROLLERS
            if not names:
                continue
        position = positions.get("" if version is Version.V2 else min(names))
        if position is not None:
            own = mount_point / _below(root, position)
            found[mount_point] = Hierarchy(version, names, mount_point, own)
    return tuple(found.values())


def hierarchies_of_this_process() -> tuple[Hierarchy, ...]:
    """Return the hierarchies that exist here; v2's controllers are those offered to our place."""
    found = read_hierarchies(
        Path("/proc/self/mountinfo").read_text(encoding="utf-8"),
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
    )
    return tuple(_with_offered(one) for one in found if one.own.is_dir())


def _with_offered(hierarchy: Hierarchy) -> Hierarchy:
    if hierarchy.version is Version.V1:
        return hierarchy
    try:
        text = (hierarchy.own / "cgroup.controllers").read_text(encoding="ascii")
    except OSError:
        text = ""
    offered = frozenset(text.split()) & CONTROLLERS
    return Hierarchy(hierarchy.version, offered, hierarchy.mount_point, hierarchy.own)


def _positions(cgroups: str) -> dict[str, str]:
    positions: dict[str, str] = {}
    for line in cgroups.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            positions[name] = path
    return positions


def _below(root: str, position: str) -> str:
    """Return `position` as seen from a mount that shows `root`."""
    try:
        return str(PurePosixPath(position).relative_to(root))
    except ValueError:
        # The mount shows another part than the one we are in (a container without a cgroup
        # namespace): what is visible is ours, and its top is our place.
        return "."


def _unescaped(text: str) -> str:
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def start_ticks(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks since boot, or None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name may hold spaces and brackets; the fields behind the last bracket are numbers.
    return int(stat.rpartition(")")[2].split()[19])


def group_name(pid: int) -> str:
    """Return the name of the cgroup that process `pid` owns: a pid alone would come back."""
    return f"casemate-{pid}-{start_ticks(pid)}"


def is_stale(name: str) -> bool:
    """Tell whether `name` is a cgroup of ours whose owner is gone."""
    prefix, _, rest = name.partition("-")
    pid, _, ticks = rest.partition("-")
    if prefix != "casemate" or not (pid.isdigit() and ticks.isdigit()):
        return False
    return start_ticks(int(pid)) != int(ticks)


def stale_groups(mount_point: Path) -> list[Path]:
    """Return what dead owners left below `mount_point`; the search is bounded."""
    stale: list[Path] = []
    for folder, names, _files in itertools.islice(os.walk(mount_point), _SEARCH_LIMIT):
        stale += [Path(folder, name) for name in names if is_stale(name)]
        depth = len(Path(folder).relative_to(mount_point).parts)
        names[:] = [] if depth >= _SEARCH_DEPTH else [n for n in names if "casemate-" not in n]
    return stale
