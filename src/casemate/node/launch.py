"""Starts the launcher and speaks to it: the one way to a running sandbox.

(Interface first; the body follows.) `Launcher.start()` gives a running launcher process whose
`enforcement` says what this machine can bound; `launch(plan, ...)` gives a `Sandbox`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from casemate.node.sandbox_steps import SandboxPlan


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a sandbox ended, as the kernel and the cgroup saw it."""

    code: int
    """Exit code of the program; 128 + N when signal N ended it."""
    signal: int | None
    oom_killed: bool
    started: bool
    """False: the sandbox could not be built and the program never ran."""
    failure: str = ""
    """Why it could not be built, or that the launcher was lost; safe to show."""
    memory_peak_bytes: int | None = None
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None


class Sandbox:
    """One running sandbox; the caller owns the three descriptors and closes them by `close`."""

    id: int
    name: str
    pid: int
    """Host pid of the user's program."""
    init_pid: int
    """Host pid of pid 1 of the sandbox; killing it kills all of them."""
    stdout_fd: int
    stderr_fd: int
    control: socket.socket
    """Stream socket, our end of descriptor 5; non-blocking."""

    async def wait(self) -> ExitStatus:
        """Return when every process of the sandbox is gone; may be awaited by many."""
        raise NotImplementedError

    async def signal(self, number: int) -> None:
        """Send a signal to the program (not to its children). A sandbox that is gone is fine."""
        raise NotImplementedError

    async def kill(self) -> None:
        """End every process at once. A sandbox that is gone is fine."""
        raise NotImplementedError

    def close(self) -> None:
        """Close our descriptors; does not end the sandbox."""
        raise NotImplementedError


class Launcher:
    """The resident launcher process, seen from the engine."""

    @classmethod
    async def start(cls) -> Launcher:
        """Start the launcher; raises LauncherFailed when this machine cannot run sandboxes."""
        raise NotImplementedError

    async def launch(
        self, plan: SandboxPlan, *, requests: socket.socket, metrics: socket.socket
    ) -> Sandbox:
        """Start one sandbox on listening sockets, or raise LaunchFailed."""
        raise NotImplementedError

    async def lost(self) -> None:
        """Return when the launcher process is gone; every sandbox is then gone too."""
        raise NotImplementedError

    async def close(self) -> None:
        """Kill every sandbox, remove the cgroups, end the launcher."""
        raise NotImplementedError
