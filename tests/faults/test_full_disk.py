"""A disk that is full: a real one (a small tmpfs of its own), and a process that may not write on.

Nothing is made to fail by a stand-in. Where this user may not mount, the limit on file sizes is
the disk: a write that crosses it fails in the kernel just the same.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = r"""
import asyncio, os, resource, signal, sys
from pathlib import Path
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.database import Store, StoreFull
from casemate.apiserver.store.objects import ObjectKey

how, data = sys.argv[1], Path(sys.argv[2])
SECRETS = GroupResource("", "secrets")

def a_key(name):
    return ObjectKey("", "secrets", "default", name)

def an_object(name, size=20_000):
    metadata = {"name": name, "namespace": "default", "uid": "u-" + name}
    return {"metadata": metadata, "data": os.urandom(size // 2).hex()}

def make_full():
    if how == "limit":
        used = max((each.stat().st_size for each in data.rglob("store.sqlite*")), default=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (used + 300_000, resource.RLIM_INFINITY))

def make_room():
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (data / "ballast").unlink()

async def main():
    if how == "tmpfs":
        (data / "ballast").write_bytes(b"x" * 1_000_000)
    store = await Store.open(data / "store.sqlite", encrypt=[SECRETS])
    watch = store.watch(SECRETS, None, None)
    make_full()
    stored, full = [], 0
    for number in range(400):
        batch = [f"n{number}-{each}" for each in range(3)]
        answers = await asyncio.gather(
            *(store.create(a_key(name), an_object(name)) for name in batch), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert all(isinstance(each, StoreFull) and each.status == 507 for each in refused), answers
        # One transaction, all or nothing.
        assert len(refused) in (0, 3)
        full += len(refused)
        stored += [] if refused else batch
        if full >= 9:
            break
    assert full >= 9, "the disk never was full"
    assert stored
    revision = store.revision
    assert revision == 1 + len(stored)
    assert {one.key.name for one in store.list(SECRETS).items} == set(stored)
    for expected in range(len(stored)):
        assert (await watch.next(1)).object.resource_version == expected + 2
    assert await watch.next(0.05) is None
    make_room()
    made = await store.create(a_key("after"), an_object("after"))
    assert made.resource_version == revision + 1
    await store.close()
    again = await Store.open(data / "store.sqlite", encrypt=[SECRETS])
    assert {one.key.name for one in again.list(SECRETS).items} == {*stored, "after"}
    assert again.revision == made.resource_version
    await again.close()
    print("kept", len(stored), "refused", full)

asyncio.run(main())
"""


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_write_over_the_limit_of_a_file_is_refused_whole_and_later_ones_work(tmp_path):
    assert "kept" in run([sys.executable, "-c", PROGRAM, "limit", str(tmp_path)])


def test_a_full_disk_refuses_writes_whole_and_later_ones_work(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = Path(tmp_path)
    mount = f'mount -t tmpfs -o size=4m,mode=700 none "{disk}" && exec "$@"'

    shown = run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            mount,
            "sh",
            sys.executable,
            "-c",
            PROGRAM,
            "tmpfs",
            str(disk),
        ]
    )

    assert "kept" in shown
    assert list(disk.iterdir()) == []
