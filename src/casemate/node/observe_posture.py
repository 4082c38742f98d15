"""Reads from outside what a running sandbox is; decides nothing.

Needs the right to look at the processes: root, or the user whose namespaces they are. A process
that ends while we look is left out; a thread that cannot be read is an error, never a pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from casemate.node.cgroup_files import Version
from casemate.node.cgroup_tree import read_hierarchies
from casemate.node.posture import Mount, ObservedPosture, ObservedProcess, Thread
from casemate.node.process_tree import family
from casemate.node.sandbox_steps import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_UNLIMITED = "unlimited"


def observe_posture(init_pid: int) -> ObservedPosture:
    """Read the sandbox whose pid 1 has this host pid. Raises ProcessLookupError when it is gone."""
    processes = tuple(_processes(init_pid))
    if not processes or processes[0].pid != init_pid:
        raise ProcessLookupError(init_pid)
    member = Path(f"/proc/{processes[-1].pid}")
    return ObservedPosture(
        processes=processes,
        host_namespaces=_namespaces(Path("/proc/self")),
        uid_map=_id_map(member / "uid_map"),
        gid_map=_id_map(member / "gid_map"),
        mounts=tuple(_mounts(member / "mountinfo")),
        cgroup_limits=_cgroup_limits(member / "cgroup"),
    )


def _processes(init_pid: int) -> Iterator[ObservedProcess]:
    for pid in family(init_pid):
        folder = Path(f"/proc/{pid}")
        try:
            yield ObservedProcess(
                pid=pid,
                threads=_threads(folder),
                namespaces=_namespaces(folder),
                descriptors=_descriptors(folder),
                limits=_limits(folder),
                environment=_environment_names(folder) if pid != init_pid else frozenset(),
            )
        except (FileNotFoundError, ProcessLookupError):
            continue


def _threads(folder: Path) -> dict[int, Thread]:
    threads: dict[int, Thread] = {}
    for task in (folder / "task").iterdir():
        text = (task / "status").read_text(encoding="ascii", errors="replace")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        capabilities = 0
        for name in _CAPABILITY_SETS:
            capabilities |= int(fields[name], 16)
        threads[int(task.name)] = Thread(
            ids=(*fields["Uid"].split(), *fields["Gid"].split()),
            groups=tuple(fields["Groups"].split()),
            capabilities=capabilities,
            no_new_privileges=fields["NoNewPrivs"].strip() == "1",
            seccomp=fields["Seccomp"].strip(),
            filters=int(fields.get("Seccomp_filters", "1")),
        )
    return threads


def _namespaces(folder: Path) -> dict[str, str]:
    return {name: str((folder / "ns" / name).readlink()) for name in NAMESPACES}


def _descriptors(folder: Path) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in (folder / "fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


def _limits(folder: Path) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for line in (folder / "limits").read_text(encoding="ascii").splitlines()[1:]:
        name, _soft, hard = line[:26].strip(), line[26:47].strip(), line[47:68].strip()
        found[name] = None if hard == _UNLIMITED else int(hard)
    return found


def _environment_names(folder: Path) -> frozenset[str]:
    raw = (folder / "environ").read_bytes()
    return frozenset(
        entry.split(b"=", 1)[0].decode(errors="replace") for entry in raw.split(b"\0") if entry
    )


def _id_map(path: Path) -> tuple[int, int, int]:
    words = path.read_text(encoding="ascii").split()
    # More than one range would be more than one user.
    inside, outside, count = (int(word) for word in words[:3])
    return inside, outside, count if len(words) == 3 else len(words)  # noqa: PLR2004


def _mounts(path: Path) -> Iterator[Mount]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        options = tail[2] if len(tail) > 2 else ""  # noqa: PLR2004
        yield Mount(
            target=fields[4].replace("\\040", " "),
            kind=tail[0],
            flags=frozenset(fields[5].split(",")),
            options=frozenset(options.split(",")),
        )


def _cgroup_limits(cgroup: Path) -> dict[str, int]:
    mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    found: dict[str, int] = {}
    for one in read_hierarchies(mountinfo, cgroup.read_text(encoding="utf-8")):
        if one.version is Version.V1:
            _put(found, "memory", one.own / "memory.limit_in_bytes")
            quota = _words(one.own / "cpu.cfs_quota_us") + _words(one.own / "cpu.cfs_period_us")
        else:
            _put(found, "memory", one.own / "memory.max")
            quota = _words(one.own / "cpu.max")
        _put(found, "processes", one.own / "pids.max")
        if len(quota) == 2 and quota[0].isdigit():  # noqa: PLR2004
            found["cpu_millis"] = int(quota[0]) * 1000 // int(quota[1])
    return found


def _put(found: dict[str, int], name: str, path: Path) -> None:
    words = _words(path)
    if words and words[0].isdigit():
        found[name] = int(words[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
