"""How strict one value of a security context is beside another, field by field.

Each rule takes the value that is in force and the one that a manifest asks for, and says what to
keep and, if the manifest asked for less, why not. Three kinds of field: ordered ones keep the
stricter value; choices (which ordinary uid) take what is asked; and what has no order (profiles
loaded on a node) keeps what is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from casemate.api.workload import Capabilities, SELinuxOptions

ROOT = 0
# The largest id that the API accepts, and the largest that every kernel interface can carry.
LARGEST_ID = 2**31 - 1
ALL = "ALL"


class Ruling(NamedTuple):
    """What is kept; `reason` is empty unless the manifest asked for something looser."""

    kept: Any
    reason: str = ""


FieldRule = Callable[[Any, Any], Ruling]


def _flag(why: str, *, strict: bool) -> FieldRule:
    def rule(current: bool | None, asked: bool) -> Ruling:  # noqa: FBT001
        return Ruling(asked) if asked in {strict, current} else Ruling(current, why)

    return rule


def _one_of(*allowed: str, why: str) -> FieldRule:
    def rule(current: str | None, asked: str) -> Ruling:
        return Ruling(asked) if asked in {*allowed, current} else Ruling(current, why)

    return rule


def _profile(why: str) -> FieldRule:
    """Judge profiles: the runtime's own is stricter than none, and no other can be compared."""

    def rule(current: Any, asked: Any) -> Ruling:
        gains = current is None or current.type == "Unconfined"
        if asked == current or (gains and asked.type == "RuntimeDefault"):
            return Ruling(asked)
        return Ruling(current, why)

    return rule


def is_ordinary_id(number: int) -> bool:
    """Tell whether this is the id of an ordinary user or group."""
    # ATTACK: 4294967296 is not 0 here and may become 0 where an id has 32 bits.
    # tests/unit/security/test_field_rules.py
    return ROOT < number <= LARGEST_ID


def _id(current: int | None, asked: int) -> Ruling:
    if asked == current or is_ordinary_id(asked):
        return Ruling(asked)
    return Ruling(current, f"must be an ordinary id, 1 up to {LARGEST_ID}")


def _groups(current: tuple[int, ...] | None, asked: tuple[int, ...]) -> Ruling:
    if asked == current or all(is_ordinary_id(group) for group in asked):
        return Ruling(asked)
    return Ruling(current, f"each must be an ordinary id, 1 up to {LARGEST_ID}")


def _groups_policy(current: str | None, asked: str) -> Ruling:
    if asked in {"Strict", current} or (current is None and asked == "Merge"):
        return Ruling(asked)
    return Ruling(current, "the groups of the image's /etc/group are not joined")


def _capabilities(current: Capabilities | None, asked: Capabilities) -> Ruling:
    """Keep every drop of both sides, and of the added ones only those already in force.

    A list of drops without ALL asks to keep the rest, which is how the API understands it.
    """
    dropped, added = _names(current, "drop"), _names(current, "add")
    new_drops, new_adds = _names(asked, "drop"), _names(asked, "add")
    reasons = []
    if asked.drop is not None and ALL not in new_drops and dropped - new_drops:
        reasons.append(f"drop must still name {', '.join(sorted(dropped - new_drops))}")
    if new_adds - added:
        reasons.append(f"{', '.join(sorted(new_adds - added))} must not be added")
    kept_adds = added if asked.add is None else added & new_adds
    kept = Capabilities(
        add=tuple(sorted(kept_adds)) or None, drop=tuple(sorted(dropped | new_drops)) or None
    )
    return Ruling(kept, "; ".join(reasons))


def _names(capabilities: Capabilities | None, part: str) -> frozenset[str]:
    return frozenset(getattr(capabilities, part, None) or ())


def _no_label(current: SELinuxOptions | None, asked: SELinuxOptions) -> Ruling:
    if asked == current:
        return Ruling(current)
    if any(asked.wire().values()):
        return Ruling(current, "the node chooses the label that keeps Pods apart")
    return Ruling(current)


def _no_sysctls(current: tuple[Any, ...] | None, asked: tuple[Any, ...]) -> Ruling:
    if asked and asked != current:
        return Ruling(current, "kernel parameters are the node's")
    return Ruling(asked)


def only_default(current: Any, asked: Any) -> Ruling:
    """Keep what is in force: for what never changes, and for fields that have no rule yet."""
    # ATTACK: a field that the API gains later must bind before anyone has thought about it.
    # tests/unit/security/test_contexts.py
    if asked == current:
        return Ruling(current)
    return Ruling(current, "this field is not a Function's to set")


_PROFILE_WHY = 'only "RuntimeDefault" is known to be strict; others may allow anything'
_CHANGE_POLICY_WHY = "no such policy"

CONTAINER_RULES: Mapping[str, FieldRule] = {
    "allow_privilege_escalation": _flag("a process must not gain rights", strict=False),
    "app_armor_profile": _profile(_PROFILE_WHY),
    "capabilities": _capabilities,
    "privileged": _flag("would give the node to the Function", strict=False),
    "proc_mount": _one_of("Default", why="would uncover the node's kernel"),
    "read_only_root_filesystem": _flag("code must not change itself", strict=True),
    "run_as_group": _id,
    "run_as_non_root": _flag("must not run as root", strict=True),
    "run_as_user": _id,
    "se_linux_options": _no_label,
    "seccomp_profile": _profile(_PROFILE_WHY),
    "windows_options": only_default,
}
POD_RULES: Mapping[str, FieldRule] = {
    "app_armor_profile": _profile(_PROFILE_WHY),
    "fs_group": _id,
    "fs_group_change_policy": _one_of("Always", "OnRootMismatch", why=_CHANGE_POLICY_WHY),
    "run_as_group": _id,
    "run_as_non_root": _flag("must not run as root", strict=True),
    "run_as_user": _id,
    "se_linux_change_policy": _one_of("MountOption", "Recursive", why=_CHANGE_POLICY_WHY),
    "se_linux_options": _no_label,
    "seccomp_profile": _profile(_PROFILE_WHY),
    "supplemental_groups": _groups,
    "supplemental_groups_policy": _groups_policy,
    "sysctls": _no_sysctls,
    "windows_options": only_default,
}
