"""What happens between fork and exec of a sandbox, and the descriptors that it needs.

Runs inside the launcher. `prepare` opens everything with the launcher's rights; the forked child
then only joins cgroups, gives up its rights and becomes bwrap. The order of `become_bwrap` matters
and each step says why it stands where it does. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from casemate.node.launch_order import memory_file, nul_separated
from casemate.node.sandbox_steps import HostPath
from casemate.node.staging import open_host_path, stage, staged_path

if TYPE_CHECKING:
    from casemate.node.launch_order import LaunchOrder

# Everything that the launcher opens lies above this, so that 0..5 can be laid without a collision.
_FIRST_DESCRIPTOR = 64
_PR_SET_PDEATHSIG = 1
# Written to oom_score_adj: the host's own killer takes a Function before it takes the engine.
_OOM_SCORE = b"500"
# bwrap itself writes the plan's small files under this limit.
_LEAST_FILE_BYTES = 2**20
# Without a memory cgroup the polling guard kills above the limit; this only stops what outruns it.
# It counts mappings, not use: Node 24 maps over 1.0 GiB while it starts and touches 60 MiB of it.
_MAPPED_BYTES = 3 << 29
_BIRTH_FAILED = 71
_IGNORED_BY_LAUNCHER = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Builder:
    """bwrap, and the library that the wheel's needs beside it."""

    path: str
    library: str | None


@dataclass(slots=True)
class Birth:
    """Everything open for one start; `close` gives it back."""

    arguments: list[str]
    descriptors: list[int]
    """Inherited by bwrap, which closes each of them before the program starts."""
    standard: tuple[int, ...]
    """What becomes 0..5."""
    staged: list[HostPath]
    """What only root may open, and the child therefore stages."""
    status_read: int
    block_write: int

    def close(self) -> None:
        """Close what only the child needs."""
        for descriptor in (*self.descriptors, *self.standard):
            os.close(descriptor)


class _Opening:
    """Collects what bwrap inherits, so that a failure half-way can give all of it back."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.staged: list[HostPath] = []
        self.words: list[str] = []

    def keep(self, descriptor: int) -> str:
        self.opened.append(above_standard(descriptor))
        return str(self.opened[-1])

    def spell(self, order: LaunchOrder) -> None:
        """Put a descriptor, or the place where it will be staged, where the order names a thing."""
        for option in order.options:
            match option:
                case HostPath() if order.host_uid is not None:
                    self.words[-1:] = ["--ro-bind", staged_path(len(self.staged))]
                    self.staged.append(option)
                case HostPath():
                    self.words.append(self.keep(open_host_path(option.path, option.sub_path)))
                case bytes():
                    self.words.append(self.keep(memory_file("content", option)))
                case _:
                    self.words.append(option)
        if order.seccomp_program is not None:
            program = self.keep(memory_file("seccomp", order.seccomp_program))
            self.words += ["--seccomp", program]


def prepare(order: LaunchOrder, standard: tuple[int, ...]) -> Birth:
    """Open all that the order names. Takes over `standard`; raises OSError and leaves none open."""
    lifted = tuple(above_standard(descriptor) for descriptor in standard)
    opening = _Opening()
    try:
        opening.spell(order)
        status_read, status_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        block_read, block_write = os.pipe2(os.O_CLOEXEC)
        opening.words += ["--json-status-fd", opening.keep(status_write)]
        opening.words += ["--block-fd", opening.keep(block_read)]
        options = opening.keep(memory_file("options", nul_separated(opening.words)))
    except (OSError, ValueError):
        for descriptor in (*opening.opened, *lifted):
            os.close(descriptor)
        raise
    arguments = ["bwrap", "--args", options, "--", *order.program]
    return Birth(arguments, opening.opened, lifted, opening.staged, status_read, block_write)


def above_standard(descriptor: int) -> int:
    """Move a descriptor to where laying 0..5 cannot overwrite it; takes it over."""
    if descriptor >= _FIRST_DESCRIPTOR:
        return descriptor
    lifted = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    os.close(descriptor)
    return lifted


def become_bwrap(
    birth: Birth,
    order: LaunchOrder,
    builder: Builder,
    join_files: list[str],
    *,
    bound_memory: bool,
) -> NoReturn:
    """Turn this freshly forked process into bwrap; never returns, and never raises."""
    parent = os.getppid()
    try:
        # First: everything after this is counted and bounded.
        for path in join_files:
            _write(path, b"0")
        with contextlib.suppress(OSError):
            _write("/proc/self/oom_score_adj", _OOM_SCORE)
        # What the launcher or Python ignores, a program would go on ignoring: a drain by SIGTERM.
        for ignored in _IGNORED_BY_LAUNCHER:
            signal.signal(ignored, signal.SIG_DFL)
        _bound_process(order, bound_memory=bound_memory)
        os.umask(0o022)
        program = builder.path
        if order.host_uid is not None and order.host_gid is not None:
            program = stage(birth.staged, builder.path, builder.library)
            # Groups before ids: afterwards we may no longer.
            os.setgroups([])
            os.setresgid(order.host_gid, order.host_gid, order.host_gid)
            os.setresuid(order.host_uid, order.host_uid, order.host_uid)
        # After the change of user, which clears it; then look, in case the parent died before.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(_BIRTH_FAILED)
        for number, descriptor in enumerate(birth.standard):
            os.dup2(descriptor, number, inheritable=True)
        # All others close themselves on exec.
        for descriptor in birth.descriptors:
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # positional only
        os.chdir("/")
        os.execve(program, birth.arguments, {})  # noqa: S606  # no shell is the point
    except BaseException as error:  # noqa: BLE001  # nothing of the launcher may run in the child
        with contextlib.suppress(OSError):
            os.write(birth.standard[2], f"launcher: {error}\n".encode())
    os._exit(_BIRTH_FAILED)


def _bound_process(order: LaunchOrder, *, bound_memory: bool) -> None:
    limits = order.limits
    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: max(limits.file_bytes, _LEAST_FILE_BYTES),
        resource.RLIMIT_MEMLOCK: limits.locked_bytes,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    if not bound_memory:
        bounds[resource.RLIMIT_DATA] = limits.memory_bytes + _MAPPED_BYTES
    for which, value in bounds.items():
        hard = resource.getrlimit(which)[1]
        # An ordinary user cannot raise: the stricter of both holds.
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
