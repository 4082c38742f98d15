"""Which limits are written where; the file system stands in for kernels that this machine is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casemate.node.cgroup_files import Usage, Version, joined, limit_writes, usage
from casemate.node.cgroup_tree import group_name, is_stale, read_hierarchies
from casemate.node.cgroups import open_cgroups, remove_stale
from support.sandboxes import a_plan

LIMITS = a_plan().limits
ALL = frozenset({"cpu", "memory", "pids"})
V1 = "30 20 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
V1_CPU = "31 20 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "32 20 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
V1_IN_CONTAINER = "30 20 0:28 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def written(version: Version) -> list[tuple[str, str]]:
    return [(write.file, write.value) for write in limit_writes(version, ALL, LIMITS)]


def test_on_v1_memory_goes_down_before_memory_with_swap():
    files = [file for file, _ in written(Version.V1)]

    assert files.index("memory.limit_in_bytes") < files.index("memory.memsw.limit_in_bytes")
    assert ("cpu.cfs_quota_us", "50000") in written(Version.V1)
    assert ("cpu.shares", "102") in written(Version.V1)


def test_on_v2_there_is_no_swap_and_a_kill_takes_all():
    assert written(Version.V2) == [
        ("memory.max", str(128 * 2**20)),
        ("memory.swap.max", "0"),
        ("memory.oom.group", "1"),
        ("cpu.max", "50000 100000"),
        ("cpu.weight", "4"),
        ("pids.max", "256"),
    ]


def test_what_was_used_is_read_from_both_versions():
    v1 = usage(Version.V1, {"memory.oom_control": "under_oom 0\noom_kill 2\n"})
    v2 = usage(
        Version.V2,
        {"cpu.stat": "usage_usec 1500000\nthrottled_usec 250000\n", "memory.peak": "4096\n"},
    )

    assert joined([v1, v2]) == Usage(2, 4096, 1.5, 0.25)


@pytest.mark.parametrize(
    ("mountinfo", "cgroups", "expected"),
    [
        (V1, "4:memory:/user\n", {"/sys/fs/cgroup/memory": "/sys/fs/cgroup/memory/user"}),
        (V2, "0::/a.slice\n", {"/sys/fs/cgroup/unified": "/sys/fs/cgroup/unified/a.slice"}),
        (
            V1_IN_CONTAINER,
            "4:memory:/docker/abc/x\n",
            {"/sys/fs/cgroup/memory": "/sys/fs/cgroup/memory/x"},
        ),
        (
            V1_IN_CONTAINER,
            "4:memory:/elsewhere\n",
            {"/sys/fs/cgroup/memory": "/sys/fs/cgroup/memory"},
        ),
    ],
    ids=["v1", "v2", "container", "container without cgroup namespace"],
)
def test_our_place_is_found_in_every_layout(mountinfo, cgroups, expected):
    found = read_hierarchies(mountinfo, cgroups)

    places = {str(one.mount_point): os.path.normpath(one.own) for one in found}
    assert places == expected


def test_a_hybrid_machine_has_all_its_hierarchies():
    found = read_hierarchies(V1 + V1_CPU + V2, "4:memory:/m\n3:cpu,cpuacct:/c\n0::/u\n")

    assert [(one.version.value, sorted(one.controllers)) for one in found] == [
        ("v1", ["memory"]),
        ("v1", ["cpu", "cpuacct"]),
        ("v2", []),
    ]


def test_only_groups_of_ours_whose_owner_is_gone_are_stale():
    own = group_name(os.getpid())

    assert [is_stale(name) for name in (own, f"{own}1", "casemate-x-1", "docker-1-2")] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make cgroups")
def test_what_a_dead_launcher_left_is_removed_and_the_living_stays():
    mine = open_cgroups({os.getpid()})
    dead = [part.group.with_name("casemate-1-1") for part in mine.parts]
    try:
        for folder in dead:
            folder.mkdir()
            (folder / "s1").mkdir()

        removed = remove_stale()

        assert "casemate-1-1" in removed
        assert not any(Path(folder).exists() for folder in dead)
        assert all(part.group.exists() for part in mine.parts)
    finally:
        assert mine.remove()
