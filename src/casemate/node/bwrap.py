"""Spells a sandbox plan as bubblewrap's arguments; pure.

Whatever must be opened stays symbolic (`HostPath`, bytes): the launcher puts descriptors in their
place. The options travel through a descriptor and not through argv, because the argv of pid 1 can
be read inside the sandbox and would tell where things lie on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING

from casemate.node.sandbox_steps import (
    BindReadOnly,
    Device,
    HostPath,
    MakeLink,
    MaskDirectory,
    MaskFile,
    Proc,
    SealTree,
    Tmpfs,
    WriteFile,
)

if TYPE_CHECKING:
    from casemate.node.sandbox_steps import SandboxPlan

Option = str | HostPath | bytes
"""A word; or something of the host to open, or content to hand over: these become descriptors."""

# An empty directory needs one page.
_EMPTY_BYTES = "4096"
_NAMESPACE_OPTIONS = (
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup",
    "--unshare-net",
    # ATTACK: a user namespace made inside gives capabilities over it, the way into most of the
    # kernel's privileged code. tests/attacks: new user namespace
    "--disable-userns",
)
_LIFE_OPTIONS = (
    "--die-with-parent",
    # ATTACK: a shared terminal session lets a program type into it (TIOCSTI).
    "--new-session",
    "--clearenv",
    "--cap-drop",
    "ALL",
)


@dataclass(frozen=True, slots=True)
class BwrapCommand:
    """Options for `--args`, and the program that follows."""

    options: tuple[Option, ...]
    program: tuple[str, ...]


def bwrap_command(plan: SandboxPlan) -> BwrapCommand:
    """Spell the plan; mounts keep their order, and the root is sealed last by the plan itself."""
    options: list[Option] = [
        *_NAMESPACE_OPTIONS,
        *_LIFE_OPTIONS,
        *("--uid", str(plan.ids.uid)),
        *("--gid", str(plan.ids.gid)),
        *("--hostname", plan.hostname),
    ]
    for step in plan.mounts:
        options += _spelled(step)
    for name, value in plan.environment:
        options += ("--setenv", name, value)
    options += ("--chdir", plan.cwd)
    return BwrapCommand(tuple(options), plan.argv)


@singledispatch
def _spelled(step: object) -> tuple[Option, ...]:
    raise TypeError(f"no bwrap option for {type(step).__name__}")


@_spelled.register
def _(step: BindReadOnly) -> tuple[Option, ...]:
    # ATTACK: a path could become a symbolic link between check and mount; the descriptor that the
    # launcher opened is mounted instead. tests/unit/node/test_launch_mounts.py
    return ("--ro-bind-fd", step.source, step.target)


@_spelled.register
def _(step: WriteFile) -> tuple[Option, ...]:
    return ("--perms", f"{step.mode:04o}", "--file", step.content, step.target)


@_spelled.register
def _(step: Tmpfs) -> tuple[Option, ...]:
    mounted = (
        "--perms",
        f"{step.mode:04o}",
        "--size",
        str(step.size_bytes),
        "--tmpfs",
        step.target,
    )
    return mounted if step.writable else (*mounted, "--remount-ro", step.target)


@_spelled.register
def _(step: MakeLink) -> tuple[Option, ...]:
    return ("--symlink", step.target, step.link_path)


@_spelled.register
def _(step: Proc) -> tuple[Option, ...]:
    return ("--proc", step.target)


@_spelled.register
def _(step: Device) -> tuple[Option, ...]:
    return ("--dev-bind", step.path, step.path)


@_spelled.register
def _(step: MaskFile) -> tuple[Option, ...]:
    return ("--ro-bind", "/dev/null", step.path)


@_spelled.register
def _(step: MaskDirectory) -> tuple[Option, ...]:
    return ("--size", _EMPTY_BYTES, "--tmpfs", step.path, "--remount-ro", step.path)


@_spelled.register
def _(step: SealTree) -> tuple[Option, ...]:
    return ("--remount-ro", step.path)
