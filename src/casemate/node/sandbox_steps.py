"""The words of a sandbox plan: ordered steps not yet taken, and the limits that bind them.

Values only, standard library only: the launcher loads this module and must stay small. A plan says
everything about a sandbox that can be said before it runs, so that the running sandbox can be
compared with it (`posture`). It holds host paths as names; only the launcher opens them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

# Every namespace of a sandbox, as /proc/<pid>/ns names them; none is ever shared with the host.
NAMESPACES = ("user", "mnt", "pid", "ipc", "uts", "cgroup", "net")


class Descriptor(IntEnum):
    """The only descriptors that a sandbox is born with."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    REQUESTS = 3
    METRICS = 4
    CONTROL = 5


@dataclass(frozen=True, slots=True)
class HostPath:
    """A file or directory of the host, opened by the launcher; no part may be a symbolic link."""

    path: str
    sub_path: str = ""
    """Walked below `path` one component at a time, never out of it."""


@dataclass(frozen=True, slots=True)
class BindReadOnly:
    """Show `source` at `target`: read-only, no set-uid bits, no devices."""

    source: HostPath
    target: str


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Make a file below a tmpfs of the plan; its bytes never touch a disk."""

    target: str
    content: bytes = field(repr=False)
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """Mount fresh memory of at most `size_bytes` at `target`."""

    target: str
    size_bytes: int
    mode: int
    writable: bool


@dataclass(frozen=True, slots=True)
class MakeLink:
    """Make the symbolic link `link_path` with the text `target`."""

    target: str
    link_path: str


@dataclass(frozen=True, slots=True)
class Proc:
    """Mount the sandbox's own process table at `target`."""

    target: str = "/proc"


@dataclass(frozen=True, slots=True)
class Device:
    """Show the host's device node of this name; the only kind of mount that allows devices."""

    path: str


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Cover a file with /dev/null, seen through a mount that allows no devices: unreadable."""

    path: str


@dataclass(frozen=True, slots=True)
class MaskDirectory:
    """Cover a directory with an empty read-only one."""

    path: str


@dataclass(frozen=True, slots=True)
class SealTree:
    """Make the mount at `path` read-only; nothing can be added to it afterwards."""

    path: str


MountStep = (
    BindReadOnly
    | WriteFile
    | Tmpfs
    | MakeLink
    | Proc
    | Device
    | MaskFile
    | MaskDirectory
    | SealTree
)


@dataclass(frozen=True, slots=True)
class SandboxIds:
    """Who the Function is: inside, and (if the launcher may choose) on the host."""

    uid: int
    gid: int
    host_uid: int | None = None
    """None: the launcher's own user, because an ordinary user cannot be somebody else."""
    host_gid: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sandbox may use, all of its processes together unless said otherwise."""

    cpu_millis: int
    cpu_shares: int
    """Weight under contention, in the unit of cgroup v1 (1024 is one whole CPU)."""
    memory_bytes: int
    processes: int
    """Processes and threads."""
    open_files: int
    """Of each process."""
    file_bytes: int
    """Largest file."""
    start_cpu_millis: int
    """CPU until the sandbox is `settled`; at least `cpu_millis`."""
    locked_bytes: int = 65536
    """Memory that each process may lock."""


class Resource(StrEnum):
    """Something that a machine can, or cannot, bound."""

    CPU = "cpu"
    MEMORY = "memory"
    PROCESSES = "processes"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class EnforcementGap:
    """A promise that this machine cannot keep in full, said aloud."""

    resource: Resource
    consequence: str
    """What is, and what is not, enforced in its place."""
    remedy: str
    """What to do on this machine."""


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """One sandbox, whole: the same plan always gives the same sandbox."""

    name: str
    """`namespace/function`, for people."""
    ids: SandboxIds
    hostname: str
    mounts: tuple[MountStep, ...]
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    argv: tuple[str, ...]
    cwd: str
    limits: Limits
    seccomp_profile: str | None
    """Name of a compiled profile; None only where a policy allowed `Unconfined`."""
    descriptors: tuple[Descriptor, ...] = tuple(Descriptor)
    grace_seconds: int = 30
    """How long a drain may take before the sandbox is killed."""
    gaps: tuple[EnforcementGap, ...] = ()
