"""Builders for tests that start real sandboxes: a template, a root view of this host, one run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casemate.api.workload import PodTemplate
from casemate.node.enforcement import Enforcement
from casemate.node.launch import ExitStatus, Launcher, Sandbox
from casemate.node.plan_inputs import PlanInputs
from casemate.node.root_view import GeneratedFile, ReadOnlyMount, RootView, Symlink
from casemate.node.sandbox_plan import plan_sandbox
from casemate.node.sandbox_steps import Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casemate.node.sandbox_steps import SandboxPlan

# The interpreter that runs the tests, as it is installed: its own prefix and the host's libraries.
PYTHON_PREFIX = Path(sys.base_prefix).resolve()
PYTHON = f"/opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
TEST_UID = 70001
EVERYTHING = Enforcement(
    bounded=frozenset({Resource.CPU, Resource.MEMORY, Resource.PROCESSES}), separate_users=True
)


def host_root_view() -> RootView:
    """Show /usr and the tests' interpreter; enough for any program of this host."""
    links = [
        Symlink(str(path.readlink()), str(path))
        for path in (Path("/bin"), Path("/lib"), Path("/lib64"), Path("/sbin"))
        if path.is_symlink()
    ]
    return RootView(
        mounts=(
            ReadOnlyMount("/usr", "/usr"),
            ReadOnlyMount(str(PYTHON_PREFIX), "/opt/python"),
            ReadOnlyMount("/etc/ld.so.cache", "/etc/ld.so.cache"),
        ),
        symlinks=tuple(links),
        files=(GeneratedFile("/etc/passwd", "function:x:1000:1000::/tmp:/bin/false\n"),),
    )


def a_template(**changes: Any) -> PodTemplate:
    """Build a template that a sandbox can honour; `changes` replace keys of its only container."""
    container = {
        "name": "function",
        "image": "registry.example/python@sha256:0",
        "command": ["python", "-I", "-S", "-c", "pass"],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        **changes.pop("container", {}),
    }
    spec = {
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
        **changes,
    }
    return PodTemplate.model_validate({"spec": spec})


def inputs(**changes: Any) -> PlanInputs:
    """Build what the node would have resolved on this host."""
    root = os.geteuid() == 0
    given = PlanInputs(
        function="default/hello",
        root=host_root_view(),
        executable=PYTHON,
        enforcement=EVERYTHING,
        host_uid=TEST_UID if root else None,
        host_gid=TEST_UID if root else None,
        proc_entries=frozenset(path.name for path in Path("/proc").iterdir()),
    )
    return replace(given, **changes)


def a_plan(code: str = "pass", **changes: Any) -> SandboxPlan:
    """Plan a sandbox that runs `code` in Python; `changes` go to the template."""
    container = {"command": ["python", "-I", "-S", "-c", code], **changes.pop("container", {})}
    input_changes = changes.pop("inputs", {})
    return plan_sandbox(a_template(container=container, **changes), inputs(**input_changes))


@dataclass(slots=True)
class Finished:
    """A sandbox that ran to its end."""

    status: ExitStatus
    stdout: str
    stderr: str
    observed: dict[str, Any] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def a_launcher() -> AsyncIterator[Launcher]:
    """Run a launcher for one test, and take it down."""
    launcher = await Launcher.start()
    try:
        yield launcher
    finally:
        await launcher.close()


@contextlib.contextmanager
def listening_sockets(folder: Path) -> Any:
    """Bind the two sockets that every sandbox gets."""
    with (
        socket.socket(socket.AF_UNIX) as requests,
        socket.socket(socket.AF_UNIX) as metrics,
    ):
        for name, one in (("http", requests), ("metrics", metrics)):
            place = Path(tempfile.mkdtemp(dir=folder))
            one.bind(str(place / name))
            one.listen()
        yield requests, metrics


async def start(launcher: Launcher, plan: SandboxPlan, folder: Path) -> Sandbox:
    """Launch on fresh sockets."""
    with listening_sockets(folder) as (requests, metrics):
        return await launcher.launch(plan, requests=requests, metrics=metrics)


async def finish(sandbox: Sandbox) -> Finished:
    """Read all output, wait, close."""
    stdout, stderr = await asyncio.gather(read_all(sandbox.stdout_fd), read_all(sandbox.stderr_fd))
    status = await sandbox.wait()
    sandbox.close()
    return Finished(status, stdout, stderr)


async def read_all(descriptor: int) -> str:
    """Read a non-blocking descriptor to its end."""
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    while True:
        ready = asyncio.Event()
        loop.add_reader(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(descriptor)
        part = os.read(descriptor, 65536)
        if not part:
            return b"".join(parts).decode(errors="replace")
        parts.append(part)


def run_plan(plan: SandboxPlan, folder: Path) -> Finished:
    """Start a launcher, run one sandbox to its end, take everything down."""

    async def once() -> Finished:
        async with a_launcher() as launcher:
            return await finish(await start(launcher, plan, folder))

    return asyncio.run(once())
