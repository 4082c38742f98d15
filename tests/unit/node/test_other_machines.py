"""What is chosen by machine is chosen for arm64 too; nothing here runs such a program."""

from __future__ import annotations

import sysconfig

import pytest

from casemate.api.catalogue import Language
from casemate.node.layers import layer_key
from casemate.node.node_binaries import locked_version
from casemate.node.probe import machine_arch
from casemate.node.resolve import read_lock
from casemate.node.root_view import Interpreter, RootView
from casemate.node.seccomp import compile_profile, default_profile

PYTHON = Interpreter("python313", "3.13.1", "/usr/bin/python3", RootView(), "path", "sha256:x")
LOCK = read_lock(f"six==1.17.0 --hash=sha256:{'a' * 64}\n", Language.PYTHON)


@pytest.fixture
def arm64(monkeypatch):
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "linux-aarch64")


def test_the_machine_is_named_as_node_names_it(arm64):
    assert machine_arch() == "arm64"


@pytest.mark.parametrize("major", ["22", "24", "26"])
def test_every_node_that_we_fetch_is_locked_for_arm64_where_it_is_for_x64(major, monkeypatch):
    versions = set()
    for platform in ("linux-aarch64", "linux-x86_64"):
        monkeypatch.setattr(sysconfig, "get_platform", lambda name=platform: name)
        versions.add(locked_version(major))

    assert len(versions) == 1


def test_a_layer_of_wheels_is_for_one_machine(monkeypatch):
    here = layer_key(LOCK, PYTHON)
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "linux-riscv64")

    assert layer_key(LOCK, PYTHON) != here


def test_the_list_of_system_calls_lets_arm64_start_programs_and_threads():
    unknown = compile_profile(default_profile(), "aarch64").unknown_calls

    needed = {
        "openat", "newfstatat", "clone", "execve", "epoll_pwait", "ppoll", "pselect6", "dup3",
        "pipe2", "accept4", "mmap", "futex", "rseq", "readlinkat", "mkdirat", "unlinkat",
        "renameat2", "faccessat", "faccessat2", "getrandom", "membarrier", "statx",
    }  # fmt: skip
    assert needed <= default_profile().allowed_calls()
    assert not needed & unknown
