from __future__ import annotations

import json

import pytest

from casemate.node.seccomp import (
    InvalidSeccompProfile,
    SeccompUnavailable,
    compile_profile,
    default_profile,
    read_profile,
)

NEVER = {
    "add_key", "bpf", "chroot", "delete_module", "fanotify_init", "finit_module", "fsopen",
    "fsmount", "init_module", "io_uring_setup", "kexec_load", "keyctl", "mincore", "mount",
    "mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree",
    "perf_event_open", "personality", "pidfd_getfd", "pivot_root", "process_madvise",
    "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "reboot", "request_key",
    "seccomp", "setns", "settimeofday", "shmget", "swapon", "syslog", "umount2", "unshare",
    "userfaultfd", "vmsplice", "clone3",
}  # fmt: skip
A_PROFILE = {
    "name": "x",
    "default": "EPERM",
    "foreign_architecture": "kill",
    "groups": [{"name": "g", "reason": "r", "calls": ["read"]}],
}


def test_calls_into_the_kernels_privileged_parts_are_never_allowed():
    assert not default_profile().allowed_calls() & NEVER


def test_every_group_has_a_reason_and_no_call_is_allowed_twice_without_conditions():
    groups = default_profile().groups
    plain = [c for g in groups if g.errno is None and g.alternatives == ((),) for c in g.calls]

    assert all(len(group.reason) > 10 for group in groups)
    assert len(plain) == len(set(plain))


def test_both_machines_have_a_program_and_only_newer_names_are_unknown():
    newer = {"listmount", "mseal", "statmount", "cachestat", "fchmodat2", "map_shadow_stack",
             "futex_wait", "futex_wake", "futex_requeue", "futex_waitv", "epoll_pwait2"}  # fmt: skip

    x86 = compile_profile(default_profile(), "x86_64")
    arm = compile_profile(default_profile(), "aarch64")

    assert x86.unknown_calls <= newer
    assert x86.instructions != arm.instructions
    assert len(x86.instructions) % 8 == 0
    assert compile_profile(default_profile(), "x86_64") is x86


def test_a_machine_without_a_reviewed_list_is_refused():
    with pytest.raises(SeccompUnavailable, match="riscv64"):
        compile_profile(default_profile(), "riscv64")


@pytest.mark.parametrize(
    "changes",
    [
        {"default": "allow"},
        {"foreign_architecture": "allow"},
        {"extra": 1},
        {"groups": [{"name": "g", "reason": "", "calls": ["read"]}]},
        {"groups": [{"name": "g", "reason": "r", "calls": []}]},
        {"groups": [{"name": "g", "reason": "r", "calls": ["read"], "action": "log"}]},
        {"groups": [{"name": "g", "reason": "r", "calls": ["read"], "when": [[{"op": 1}]]}]},
    ],
)
def test_a_profile_that_is_not_fully_understood_is_refused(changes):
    with pytest.raises(InvalidSeccompProfile):
        read_profile(json.dumps({**A_PROFILE, **changes}))
