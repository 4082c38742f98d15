"""Life and death of real sandboxes: whoever is killed, nothing is left running or mounted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from casemate.node.launch import LaunchFailed
from casemate.node.process_tree import family
from casemate.node.sandbox_steps import BindReadOnly, HostPath
from support.ordinary_user import run_as_ordinary_user
from support.processes import is_alive
from support.sandboxes import a_launcher, a_plan, finish, run_plan, start

pytestmark = pytest.mark.sandbox

SUPPORT = str(Path(__file__).parents[2])
HEAD = f"""
import asyncio, os, sys, time
sys.path.insert(0, {SUPPORT!r})
from pathlib import Path
from support.sandboxes import a_plan, start
from casemate.node.launch import Launcher
from support.processes import is_alive

async def main():
    launcher = await Launcher.start()
    plan = a_plan("import time; time.sleep(60)")
    boxes = [await start(launcher, plan, Path(sys.argv[1])) for _ in range(2)]
"""
# An engine with two sandboxes that would live for a minute; it says their pids and hangs.
HANGING_ENGINE = (
    HEAD
    + """
    print(os.getpid(), launcher.pid, launcher.cgroup_name, *[box.init_pid for box in boxes])
    sys.stdout.flush()
    time.sleep(60)

asyncio.run(main())
"""
)
ENGINE_THAT_LOSES_ITS_LAUNCHER = (
    HEAD
    + """
    os.kill(launcher.pid, 9)
    ends = [await asyncio.wait_for(box.wait(), 5) for box in boxes]
    time.sleep(1.5)
    print([is_alive(box.init_pid) for box in boxes], ends[0].failure)
    await launcher.close()

asyncio.run(main())
"""
)


def cgroups_named(name: str) -> list[str]:
    found = [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if Path(folder).name == name]
    return sorted(found)


def wait_until(condition, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_program_runs_and_its_output_and_exit_code_come_back(tmp_path):
    done = run_plan(a_plan("import sys; print('hello'); sys.exit(7)"), tmp_path)

    assert (done.stdout, done.stderr) == ("hello\n", "")
    assert (done.status.code, done.status.started, done.status.oom_killed) == (7, True, False)


def test_a_signal_reaches_the_program_and_is_its_end(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            code = "import os, time; os.write(1, b'up'); time.sleep(30)"
            box = await start(launcher, a_plan(code), tmp_path)
            while box.pid is None or os.readlink(f"/proc/{box.pid}/fd/3")[:6] != "socket":
                await asyncio.sleep(0.01)
            await box.signal(signal.SIGTERM)
            return await asyncio.wait_for(finish(box), 5)

    status = asyncio.run(run()).status

    assert (status.code, status.signal) == (143, signal.SIGTERM)


def test_a_killed_sandbox_takes_its_whole_process_tree_along(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            code = (
                "import os, time\nfor _ in range(5):\n if os.fork() == 0: os.setsid(); break\n"
                "else: os.write(1, b'up')\ntime.sleep(30)"
            )
            box = await start(launcher, a_plan(code), tmp_path)
            while len(family(box.init_pid)) < 7:
                await asyncio.sleep(0.01)
            tree = family(box.init_pid)
            await box.kill()
            status = await asyncio.wait_for(box.wait(), 5)
            box.close()
            return tree, status, [pid for pid in tree if is_alive(pid)]

    tree, status, alive = asyncio.run(run())

    assert len(tree) == 7
    assert (status.code, alive) == (137, [])


def test_a_closed_launcher_leaves_no_process_and_no_cgroup(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            box = await start(launcher, a_plan("import time; time.sleep(30)"), tmp_path)
            name, pids = launcher.cgroup_name, (launcher.pid, box.init_pid)
        status = await box.wait()
        box.close()
        return name, pids, status

    name, pids, status = asyncio.run(run())

    assert cgroups_named(name) == []
    assert [pid for pid in pids if is_alive(pid)] == []
    assert status.code == 137


@pytest.mark.parametrize("victims", ["engine", "launcher", "launcher then engine", "both at once"])
def test_whoever_is_killed_no_sandbox_and_no_cgroup_survives(victims, tmp_path):
    engine = subprocess.Popen(
        [sys.executable, "-c", HANGING_ENGINE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        words = engine.stdout.readline().split()
        engine_pid, launcher_pid, *boxes = (int(word) for word in words if word.isdigit())
        before = cgroups_named(words[2])

        killed = {"engine": [engine_pid], "launcher": [launcher_pid]}.get(
            victims, [launcher_pid, engine_pid]
        )
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
            if victims == "launcher then engine":
                time.sleep(0.05)

        assert all(wait_until(lambda pid=pid: not is_alive(pid)) for pid in boxes)
        assert wait_until(lambda: not is_alive(launcher_pid))
        assert wait_until(lambda: cgroups_named(words[2]) == [])
        assert before or os.geteuid() != 0
    finally:
        engine.kill()
        engine.wait()
        engine.stdout.close()


def test_as_an_ordinary_user_too_a_killed_launcher_takes_its_sandboxes_along():
    done = run_as_ordinary_user(ENGINE_THAT_LOSES_ITS_LAUNCHER, "/tmp")

    assert "[False, False] the launcher was lost" in done.stdout, done.stderr


def test_a_sandbox_that_cannot_be_built_says_why_and_the_next_one_works(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            broken = a_plan(inputs={"function": "default/broken"})
            steps = tuple(step for step in broken.mounts if getattr(step, "target", "") != "/usr")
            missing = BindReadOnly(HostPath("/nonexistent/source"), "/usr")
            with pytest.raises(LaunchFailed) as refusal:
                await start(launcher, replace(broken, mounts=(missing, *steps)), tmp_path)
            done = await finish(await start(launcher, a_plan("print(1)"), tmp_path))
            return refusal.value.message, done.stdout

    message, stdout = asyncio.run(run())

    assert "sandbox of default/broken could not be built" in message
    assert "No such file or directory: '/nonexistent/source'" in message
    assert stdout == "1\n"


def test_descriptors_are_given_back_after_each_sandbox(tmp_path):
    async def run():
        async with a_launcher() as launcher:
            counts = []
            for _ in range(12):
                await finish(await start(launcher, a_plan(), tmp_path))
                held = len(list(Path(f"/proc/{launcher.pid}/fd").iterdir()))
                counts.append((held, len(list(Path("/proc/self/fd").iterdir()))))
            return counts

    counts = asyncio.run(run())

    assert counts[1] == counts[-1]
