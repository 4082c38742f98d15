"""What a running sandbox really is, compared with what its plan promised; pure.

The flags that we meant to give prove nothing: here stands what the kernel says about each process
and thread (`observe_posture` reads it from outside), and every difference is one line for people.
An unexpected mount, descriptor or namespace is a difference too, not only a missing one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from casemate.node.sandbox_steps import (
    NAMESPACES,
    BindReadOnly,
    Device,
    MaskDirectory,
    MaskFile,
    Proc,
    Resource,
    SealTree,
    Tmpfs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casemate.node.sandbox_steps import SandboxPlan

_NO_CAPABILITIES = 0
_FILTERED = "2"
_DESCRIPTORS_NOT_FILES = ("socket:", "pipe:", "anon_inode:", "/memfd:", "/dev/null")
# bwrap sets it when it changes directory.
_ADDED_BY_BWRAP = frozenset({"PWD"})


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of a mount table."""

    target: str
    kind: str
    flags: frozenset[str]
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Thread:
    """Credentials of one thread."""

    ids: tuple[str, ...]
    """Every uid and gid in use, as the host counts them."""
    groups: tuple[str, ...]
    capabilities: int
    """All five sets, or-ed together."""
    no_new_privileges: bool
    seccomp: str
    filters: int


@dataclass(frozen=True, slots=True)
class ObservedProcess:
    """One process of a sandbox, seen from the host."""

    pid: int
    threads: Mapping[int, Thread]
    namespaces: Mapping[str, str]
    descriptors: Mapping[int, str]
    limits: Mapping[str, int | None]
    """Hard limits by the kernel's names; None is unlimited."""
    environment: frozenset[str]
    """Names only."""


@dataclass(frozen=True, slots=True)
class ObservedPosture:
    """A whole running sandbox."""

    processes: tuple[ObservedProcess, ...]
    """pid 1 first, then the program."""
    host_namespaces: Mapping[str, str]
    uid_map: tuple[int, int, int]
    gid_map: tuple[int, int, int]
    mounts: tuple[Mount, ...]
    cgroup_limits: Mapping[str, int] = field(default_factory=dict)
    """`memory` bytes, `processes`, `cpu_millis`, as far as a cgroup bounds them."""


def posture_differences(
    plan: SandboxPlan, observed: ObservedPosture, *, newborn: bool = False
) -> tuple[str, ...]:
    """Return every difference. `newborn`: nothing has run yet that could open or start anything."""
    return (
        *_id_differences(plan, observed),
        *_namespace_differences(observed),
        *_mount_differences(plan, observed.mounts),
        *_cgroup_differences(plan, observed.cgroup_limits),
        *(
            difference
            for process in observed.processes
            for difference in _process_differences(plan, process, newborn=newborn)
        ),
    )


def _id_differences(plan: SandboxPlan, observed: ObservedPosture) -> Iterator[str]:
    for what, mapped, inside, outside in (
        ("uid", observed.uid_map, plan.ids.uid, plan.ids.host_uid),
        ("gid", observed.gid_map, plan.ids.gid, plan.ids.host_gid),
    ):
        if mapped[0] != inside or mapped[2] != 1:
            yield f"{what} map is {mapped}, planned is {inside} alone"
        elif outside is not None and mapped[1] != outside:
            yield f"{what} on the host is {mapped[1]}, planned is {outside}"
        elif mapped[1] == 0:
            yield f"{what} on the host is 0"


def _namespace_differences(observed: ObservedPosture) -> Iterator[str]:
    for process in observed.processes:
        for name in NAMESPACES:
            inside = process.namespaces.get(name)
            if inside is None or inside == observed.host_namespaces.get(name):
                yield f"process {process.pid}: {name} namespace is the host's or unknown"


def planned_mounts(plan: SandboxPlan) -> dict[str, Mount]:
    """Return the mount table that the plan must lead to."""
    closed, sealed = frozenset({"ro", "nosuid", "nodev"}), frozenset({"ro"})
    table = {"/": Mount("/", "tmpfs", frozenset({"rw", "nosuid", "nodev"}), frozenset())}
    for step in plan.mounts:
        match step:
            case BindReadOnly():
                table[step.target] = Mount(step.target, "", closed, frozenset())
            case Tmpfs():
                access = "rw" if step.writable else "ro"
                flags = frozenset({access, "nosuid", "nodev"})
                size = frozenset({f"size={step.size_bytes // 1024}k"})
                table[step.target] = Mount(step.target, "tmpfs", flags, size)
            case Proc():
                flags = frozenset({"nosuid", "nodev", "noexec"})
                table[step.target] = Mount(step.target, "proc", flags, frozenset())
            case Device():
                table[step.path] = Mount(step.path, "", frozenset({"nosuid"}), frozenset())
            case MaskFile() | MaskDirectory():
                table[step.path] = Mount(step.path, "", closed, frozenset())
            case SealTree():
                old = table[step.path]
                flags = old.flags - {"rw"} | sealed
                table[step.path] = Mount(old.target, old.kind, flags, old.options)
            case _:
                continue
    return table


def _mount_differences(plan: SandboxPlan, mounts: tuple[Mount, ...]) -> Iterator[str]:
    planned = planned_mounts(plan)
    trees = [step.target for step in plan.mounts if isinstance(step, BindReadOnly)]
    seen: set[str] = set()
    for mount in mounts:
        wanted = planned.get(mount.target)
        if wanted is None:
            inside = any(PurePosixPath(mount.target).is_relative_to(tree) for tree in trees)
            # A file system that the host has mounted within a tree comes along, as closed as it.
            if not inside or not {"ro", "nosuid", "nodev"} <= mount.flags:
                yield f"mount {mount.target} ({mount.kind}) is not planned"
            continue
        if mount.target in seen:
            yield f"mount {mount.target} is there twice"
        seen.add(mount.target)
        missing = (wanted.flags - mount.flags) | (wanted.options - mount.options)
        if missing:
            yield f"mount {mount.target} lacks {', '.join(sorted(missing))}"
        if wanted.kind and wanted.kind != mount.kind:
            yield f"mount {mount.target} is {mount.kind}, planned is {wanted.kind}"
    for target in sorted(planned.keys() - seen):
        yield f"mount {target} is missing"


def _cgroup_differences(plan: SandboxPlan, limits: Mapping[str, int]) -> Iterator[str]:
    unbounded = {gap.resource for gap in plan.gaps}
    own = plan.limits
    for resource, name, allowed in (
        (Resource.MEMORY, "memory", {own.memory_bytes}),
        (Resource.PROCESSES, "processes", {own.processes}),
        (Resource.CPU, "cpu_millis", {own.cpu_millis, own.start_cpu_millis}),
    ):
        if resource not in unbounded and limits.get(name) not in allowed:
            yield f"cgroup limit {name} is {limits.get(name)}, planned is {min(allowed)}"


def _process_differences(
    plan: SandboxPlan, process: ObservedProcess, *, newborn: bool
) -> Iterator[str]:
    where = f"process {process.pid}"
    for number, thread in process.threads.items():
        for difference in _thread_differences(plan, thread):
            yield f"{where} thread {number}: {difference}"
    for name, bound in (
        ("Max open files", plan.limits.open_files),
        ("Max locked memory", plan.limits.locked_bytes),
        ("Max core file size", 0),
    ):
        limit = process.limits.get(name)
        if limit is None or limit > bound:
            yield f"{where}: limit {name!r} is {limit}, planned is {bound}"
    added = process.environment - {name for name, _value in plan.environment} - _ADDED_BY_BWRAP
    if newborn and added:
        yield f"{where}: environment holds {', '.join(sorted(added))}"
    yield from _descriptor_differences(plan, process, newborn=newborn)


def _thread_differences(plan: SandboxPlan, thread: Thread) -> Iterator[str]:
    if thread.capabilities != _NO_CAPABILITIES:
        yield f"has capabilities {thread.capabilities:#x}"
    if not thread.no_new_privileges:
        yield "may gain privileges"
    if plan.seccomp_profile is not None and (thread.seccomp != _FILTERED or thread.filters < 1):
        yield f"is not filtered (seccomp {thread.seccomp}, {thread.filters} filters)"
    if plan.ids.host_uid is not None:
        wanted = {str(plan.ids.host_uid), str(plan.ids.host_gid)}
        if not set(thread.ids) <= wanted:
            yield f"runs as {', '.join(sorted(set(thread.ids)))}"
        if thread.groups:
            yield f"belongs to groups {', '.join(thread.groups)}"


def _descriptor_differences(
    plan: SandboxPlan, process: ObservedProcess, *, newborn: bool
) -> Iterator[str]:
    born = {int(number) for number in plan.descriptors}
    trees = [PurePosixPath(target) for target in planned_mounts(plan) if target != "/"]
    for number, target in process.descriptors.items():
        if number in born or target.startswith(_DESCRIPTORS_NOT_FILES):
            continue
        if newborn or not any(PurePosixPath(target).is_relative_to(tree) for tree in trees):
            yield f"process {process.pid}: descriptor {number} is {target}"
