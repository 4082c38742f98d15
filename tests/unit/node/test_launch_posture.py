"""A real sandbox is what its plan says, when it is born and after it worked."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from casemate.node.observe_posture import observe_posture
from casemate.node.posture import posture_differences
from support.ordinary_user import run_as_ordinary_user
from support.sandboxes import a_launcher, a_plan, start

pytestmark = pytest.mark.sandbox

# Serves one byte per connection, each in a thread and with a child process of its own.
SERVER = """
import os, socket, subprocess, threading
os.write(1, b"up")
listener = socket.socket(fileno=3)
def serve(connection):
    subprocess.run(["/usr/bin/true"], check=True)
    connection.send(b"x")
    connection.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
AS_USER = """
import asyncio, sys
from pathlib import Path
from support.sandboxes import a_launcher, a_plan, start
from casemate.node.observe_posture import observe_posture
from casemate.node.posture import posture_differences

async def main():
    async with a_launcher() as launcher:
        plan = a_plan("import os, time; os.write(1, b'up'); time.sleep(30)",
                      inputs={"enforcement": launcher.enforcement})
        box = await start(launcher, plan, Path.cwd())
        up = asyncio.Event()
        asyncio.get_running_loop().add_reader(box.stdout_fd, up.set)
        await up.wait()
        asyncio.get_running_loop().remove_reader(box.stdout_fd)
        print(posture_differences(plan, observe_posture(box.init_pid), newborn=True))
        box.close()

asyncio.run(main())
"""


async def _up(descriptor: int) -> None:
    up = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, up.set)
    await up.wait()
    asyncio.get_running_loop().remove_reader(descriptor)


def test_a_running_sandbox_is_what_was_planned_also_after_a_hundred_requests(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            plan = a_plan(SERVER, inputs={"enforcement": launcher.enforcement})
            box = await start(launcher, plan, tmp_path)
            await _up(box.stdout_fd)
            newborn = posture_differences(plan, observe_posture(box.init_pid), newborn=True)
            path = next(Path(tmp_path).glob("*/http"))
            for _ in range(100):
                reader, writer = await asyncio.open_unix_connection(str(path))
                assert await reader.read() == b"x"
                writer.close()
            worked = posture_differences(plan, observe_posture(box.init_pid))
            box.close()
            return newborn, worked

    assert asyncio.run(run()) == ((), ())


def test_a_sandbox_of_an_ordinary_user_is_what_was_planned():
    done = run_as_ordinary_user(AS_USER)

    assert done.stdout == "()\n", done.stderr


def test_every_kind_of_difference_is_seen(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            plan = a_plan(SERVER, inputs={"enforcement": launcher.enforcement})
            box = await start(launcher, plan, tmp_path)
            await _up(box.stdout_fd)
            observed = observe_posture(box.init_pid)
            box.close()
            return plan, observed

    plan, seen = asyncio.run(run())
    init, program = seen.processes
    thread = next(iter(program.threads.values()))

    def of(**changes):
        return replace(seen, processes=(init, replace(program, **changes)))

    wrong = {
        "capabilities": of(threads={1: replace(thread, capabilities=4)}),
        "gain privileges": of(threads={1: replace(thread, no_new_privileges=False)}),
        "not filtered": of(threads={1: replace(thread, seccomp="0")}),
        "net namespace": of(namespaces={**program.namespaces, "net": seen.host_namespaces["net"]}),
        "descriptor 9": of(descriptors={9: "/etc/shadow"}),
        "open files": of(limits={**program.limits, "Max open files": None}),
        "uid map": replace(seen, uid_map=(0, 70001, 1)),
        "lacks ro": replace(
            seen, mounts=tuple(replace(m, flags=m.flags - {"ro"}) for m in seen.mounts)
        ),
        "/etc/shadow (ext4) is not planned": replace(
            seen,
            mounts=(*seen.mounts, replace(seen.mounts[0], target="/etc/shadow", kind="ext4")),
        ),
        "mount /proc is missing": replace(
            seen, mounts=tuple(m for m in seen.mounts if m.target != "/proc")
        ),
    }
    if os.geteuid() == 0:
        wrong["cgroup limit memory"] = replace(seen, cgroup_limits={})

    for words, observed in wrong.items():
        assert any(words in one for one in posture_differences(plan, observed)), words
