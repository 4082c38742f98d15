"""Turns the reviewed list of system calls into the program that the kernel runs on each call.

The list is data (`seccomp_profile.json`) with a reason per group; here it is only read strictly and
compiled by libseccomp. Fails closed: a call whose name libseccomp does not know cannot be allowed,
and without libseccomp nothing starts. Programs are cached by the profile's digest and machine.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from casemate.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PROFILE = "casemate/default"
MACHINES = ("x86_64", "aarch64")
_ACTIONS = {"allow": None, "EPERM": errno.EPERM, "ENOSYS": errno.ENOSYS,
            "EAFNOSUPPORT": errno.EAFNOSUPPORT}  # fmt: skip
_FULL_MASK = (1 << 64) - 1
_OPTIMIZE_AS_BINARY_TREE = 2
# sock_filter is eight bytes; the kernel takes at most BPF_MAXINSNS of them.
_INSTRUCTION_BYTES = 8
_MOST_INSTRUCTIONS = 4096


class InvalidSeccompProfile(InvalidInput):
    """A profile does not say exactly what it allows."""

    code = "InvalidSeccompProfile"


class SeccompUnavailable(Unsupported):
    """This machine lacks libseccomp or has an architecture without a reviewed profile."""

    code = "SeccompUnavailable"


@dataclass(frozen=True, slots=True)
class Condition:
    """`argument & mask == equals`."""

    arg: int
    equals: int
    mask: int = _FULL_MASK


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that are treated alike, and why."""

    name: str
    reason: str
    calls: tuple[str, ...]
    errno: int | None = None
    """None allows the call."""
    alternatives: tuple[tuple[Condition, ...], ...] = ((),)


@dataclass(frozen=True, slots=True)
class Profile:
    """A whole allow-list."""

    name: str
    default_errno: int
    groups: tuple[Group, ...]
    digest: str

    def allowed_calls(self) -> frozenset[str]:
        """Return every call that some arguments make succeed."""
        return frozenset(c for group in self.groups if group.errno is None for c in group.calls)


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions for one machine, and the names that this libseccomp does not know there."""

    instructions: bytes
    unknown_calls: frozenset[str]


def read_profile(text: str) -> Profile:
    """Parse a profile; raises InvalidSeccompProfile for anything that it does not understand."""
    try:
        raw = json.loads(text)
        _only(raw, {"name", "about", "default", "foreign_architecture", "groups"})
        default = _default_errno(raw)
        groups = tuple(_group(one) for one in raw["groups"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidSeccompProfile(f"seccomp profile cannot be read: {error}") from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Profile(str(raw["name"]), default, groups, f"sha256:{digest}")


def _default_errno(raw: Mapping[str, Any]) -> int:
    number = _ACTIONS[raw["default"]]
    if number is None or raw["foreign_architecture"] != "kill":
        raise ValueError("the default must refuse, a foreign architecture must be killed")
    return number


def _group(raw: Mapping[str, Any]) -> Group:
    _only(raw, {"name", "reason", "action", "calls", "when"})
    if not raw["reason"] or not raw["calls"]:
        raise ValueError(f"group {raw['name']!r} needs a reason and calls")
    alternatives = tuple(
        tuple(_condition(one) for one in together) for together in raw.get("when", [[]])
    )
    return Group(
        name=raw["name"],
        reason=raw["reason"],
        calls=tuple(raw["calls"]),
        errno=_ACTIONS[raw.get("action", "allow")],
        alternatives=alternatives,
    )


def _condition(raw: Mapping[str, Any]) -> Condition:
    _only(raw, {"arg", "mask", "equals"})
    mask = int(raw["mask"], 0) if "mask" in raw else _FULL_MASK
    return Condition(arg=int(raw["arg"]), equals=int(raw["equals"], 0), mask=mask)


def _only(raw: Mapping[str, Any], known: set[str]) -> None:
    unknown = set(raw) - known
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")


@lru_cache(maxsize=1)
def default_profile() -> Profile:
    """Return the profile that `RuntimeDefault` means here."""
    text = resources.files("casemate.node").joinpath("seccomp_profile.json").read_text("utf-8")
    return read_profile(text)


@lru_cache(maxsize=16)
def compile_profile(profile: Profile, machine: str) -> Program:
    """Compile for `machine` (x86_64 or aarch64); raises SeccompUnavailable."""
    if machine not in MACHINES:
        raise SeccompUnavailable(
            f"no reviewed system call list for machine {machine!r}",
            hint=f"run on one of {', '.join(MACHINES)}",
        )
    try:
        import pyseccomp  # noqa: PLC0415  # raises at import where libseccomp is missing
    except (ImportError, RuntimeError, OSError) as error:
        raise SeccompUnavailable(
            "libseccomp was not found", hint="apt-get install libseccomp2"
        ) from error
    return _compile(pyseccomp, profile, machine)


def _compile(library: Any, profile: Profile, machine: str) -> Program:
    arch = {"x86_64": library.Arch.X86_64, "aarch64": library.Arch.AARCH64}[machine]
    chain = library.SyscallFilter(library.ERRNO(profile.default_errno))
    if not chain.exist_arch(arch):
        # Only the wanted architecture stays: a second one would be a second, unreviewed table.
        native = library.system_arch()
        chain.add_arch(arch)
        chain.remove_arch(native)
    # ATTACK: the same kernel answers i386 and x32 calls under other numbers; such a process dies.
    # tests/attacks: foreign system call tables
    chain.set_attr(library.Attr.ACT_BADARCH, library.KILL_PROCESS)
    chain.set_attr(library.Attr.CTL_OPTIMIZE, _OPTIMIZE_AS_BINARY_TREE)
    unknown: set[str] = set()
    for group in profile.groups:
        action = library.ALLOW if group.errno is None else library.ERRNO(group.errno)
        for call in group.calls:
            if not _is_known(library, arch, call):
                unknown.add(call)
                continue
            for conditions in group.alternatives:
                arguments = [
                    library.Arg(one.arg, library.MASKED_EQ, one.mask, one.equals)
                    for one in conditions
                ]
                chain.add_rule(action, call, *arguments)
    return Program(_exported(chain), frozenset(unknown))


def _is_known(library: Any, arch: int, call: str) -> bool:
    try:
        return int(library.resolve_syscall(arch, call)) >= 0
    except (OSError, ValueError):
        return False


def _exported(chain: Any) -> bytes:
    with os.fdopen(os.memfd_create("seccomp", os.MFD_CLOEXEC), "w+b") as file:
        chain.export_bpf(file)
        file.seek(0)
        instructions = file.read()
    if not instructions or len(instructions) > _MOST_INSTRUCTIONS * _INSTRUCTION_BYTES:
        raise SeccompUnavailable("libseccomp made no usable program")
    return instructions
