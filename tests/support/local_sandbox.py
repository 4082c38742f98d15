"""A launcher without walls: the plan's program as an ordinary child process.

It stands where `casemate.node.launch` stands, so that workers can be tested with real processes,
pipes and sockets on any machine and in milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from casemate.errors import Unavailable, Unsupported
from casemate.node.instance import WorkerPlan
from casemate.node.launch import ExitStatus
from casemate.node.probes import ProbeRule, ProbeRules
from casemate.node.sandbox_steps import Limits, SandboxIds, SandboxPlan

STAND_IN = Path(__file__).with_name("stand_in_runtime.py")
QUICK_PROBES = ProbeRules(
    startup=ProbeRule(period_seconds=1, failure_threshold=3),
    readiness=ProbeRule(period_seconds=0.05, timeout_seconds=0.3, failure_threshold=2),
    liveness=ProbeRule(period_seconds=0.05, timeout_seconds=0.3, failure_threshold=4),
)


def a_worker_plan(
    revision="r1", *, mode="ok", probes=QUICK_PROBES, grace_seconds=2, timeout_seconds=0.5, **env
) -> WorkerPlan:
    sandbox = SandboxPlan(
        name="shop/hello",
        ids=SandboxIds(1000, 1000),
        hostname="hello",
        mounts=(),
        environment=tuple({"MODE": mode, "REVISION": revision, **env}.items()),
        argv=(sys.executable, "-I", "-S", str(STAND_IN)),
        cwd="/",
        limits=Limits(
            cpu_millis=100,
            start_cpu_millis=100,
            cpu_shares=100,
            memory_bytes=1 << 28,
            processes=64,
            open_files=256,
            file_bytes=1 << 20,
        ),
        seccomp_profile=None,
        grace_seconds=grace_seconds,
    )
    return WorkerPlan(revision, sandbox, probes, timeout_seconds)


class LocalSandbox:
    """One child process in a group of its own."""

    def __init__(self, process, stdout_fd, stderr_fd, control, *, oom_killed):
        self.process = process
        self.pid = self.init_pid = process.pid
        self.stdout_fd = stdout_fd
        self.stderr_fd = stderr_fd
        self.control = control
        self._oom_killed = oom_killed

    async def wait(self):
        code = await self.process.wait()
        number = -code if code < 0 else None
        code = 128 - code if code < 0 else code
        return ExitStatus(code, oom_killed=self._oom_killed(number), started=True)

    async def signal(self, number):
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def settle(self):
        """There is no CPU limit to take back here."""

    async def kill(self):
        await self.signal(signal.SIGKILL)

    def close(self):
        os.close(self.stdout_fd)
        os.close(self.stderr_fd)
        self.control.close()


class LocalLauncher:
    """Counts what it starts; `failures` and `oom` make the next ones go wrong."""

    def __init__(self):
        self.sandboxes = []
        self.failures = []
        self.oom = False

    async def launch(self, plan, *, requests, metrics):
        if self.failures:
            raise self.failures.pop(0)
        ours, theirs = socket.socketpair()
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        environment = {
            **dict(plan.environment),
            "CASEMATE_LISTEN_FD": str(requests.fileno()),
            "CASEMATE_METRICS_FD": str(metrics.fileno()),
            "CASEMATE_CONTROL_FD": str(theirs.fileno()),
        }
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *plan.argv,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out_write,
                stderr=err_write,
                pass_fds=(requests.fileno(), metrics.fileno(), theirs.fileno()),
            )
        os.close(out_write)
        os.close(err_write)
        oom = self.oom
        sandbox = LocalSandbox(
            process, out_read, err_read, ours, oom_killed=lambda number: oom and number == 9
        )
        self.sandboxes.append(sandbox)
        return sandbox

    def living(self):
        return [one.pid for one in self.sandboxes if one.process.returncode is None]


def busy_launcher():
    return Unavailable("the launcher is busy")


def missing_runtime():
    return Unsupported("runtime python399: none found", hint="install it")
