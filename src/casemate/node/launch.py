"""Starts the launcher and speaks to it: the one way to a running sandbox.

`Launcher.start()` gives a running launcher process whose `enforcement` says what this machine can
bound; `launch(plan, ...)` gives a `Sandbox`. A launcher that is gone has taken every sandbox along:
each `wait` then returns, and a new launcher may be started. One loop, one launcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import casemate
from casemate.errors import Unavailable, Unsupported
from casemate.node.bwrap import bwrap_command
from casemate.node.bwrap_binary import BwrapBinary, find_bwrap
from casemate.node.enforcement import Enforcement, bounded_resources
from casemate.node.launch_order import (
    LARGEST_MESSAGE,
    LaunchOrder,
    memory_file,
    message_bytes,
    order_bytes,
    read_message,
)
from casemate.node.sandbox import ExitStatus, Sandbox
from casemate.node.seccomp import compile_profile, default_profile

if TYPE_CHECKING:
    from casemate.node.sandbox_steps import SandboxPlan
    from casemate.node.seccomp import Profile

_START_SECONDS = 10.0
_LAUNCH_SECONDS = 10.0
_ERROR_TEXT_BYTES = 4096
_LAUNCHER = "import sys; sys.path.insert(0, sys.argv.pop(1)); "
_LAUNCHER += "from casemate.node.launcher import main; main()"
_NEEDS_NAMESPACES = "run `casemate doctor`: it names what this machine lacks"

__all__ = ["ExitStatus", "LaunchFailed", "Launcher", "LauncherFailed", "Sandbox"]


class LauncherFailed(Unsupported):
    """The launcher process could not be started, or ended at once."""

    code = "LauncherFailed"


class LaunchFailed(Unavailable):
    """One sandbox could not be built."""

    code = "LaunchFailed"


class Launcher:
    """The resident launcher process, seen from the engine."""

    def __init__(
        self, process: asyncio.subprocess.Process, channel: socket.socket, binary: BwrapBinary
    ) -> None:
        self._process = process
        self._channel = channel
        self._hello: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._next_id = 1
        self._launching: dict[int, asyncio.Future[int]] = {}
        self._sandboxes: dict[int, Sandbox] = {}
        self.bwrap = binary
        self.profiles: dict[str, Profile] = {default_profile().name: default_profile()}
        """Compiled by name on use; policy adds the localhost profiles that it allows."""
        self.enforcement = Enforcement(bounded=frozenset(), separate_users=False)
        self.cgroup_name = ""

    @classmethod
    async def start(cls) -> Launcher:
        """Start the launcher; raises LauncherFailed when this machine cannot run one."""
        binary = await asyncio.to_thread(find_bwrap)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Isolated, no site-packages: the launcher may be root and needs neither.
                *("-I", "-S", "-c", _LAUNCHER, str(Path(casemate.__file__).parents[1])),
                *(str(theirs.fileno()), binary.path, binary.library or ""),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env={},
            )
        ours.setblocking(False)  # noqa: FBT003  # positional only
        launcher = cls(process, ours, binary)
        asyncio.get_running_loop().add_reader(ours.fileno(), launcher._hear)
        try:
            hello = await asyncio.wait_for(launcher._hello, _START_SECONDS)
        except (TimeoutError, ConnectionError) as error:
            await launcher.close()
            raise LauncherFailed(
                "the launcher did not start", hint="its own words are on stderr"
            ) from error
        launcher.cgroup_name = hello["group"]
        launcher.enforcement = Enforcement(
            bounded=bounded_resources(frozenset(hello["bounded"])),
            separate_users=hello["root"],
            cgroup_versions=tuple(hello["versions"]),
            refusals=hello["refusals"],
        )
        return launcher

    @property
    def pid(self) -> int:
        """Host pid of the launcher."""
        return self._process.pid

    async def launch(
        self, plan: SandboxPlan, *, requests: socket.socket, metrics: socket.socket
    ) -> Sandbox:
        """Start one sandbox on listening sockets; it is running when this returns.

        Raises LaunchFailed with the builder's own words.
        """
        order = self._order(plan)
        number, self._next_id = self._next_id, self._next_id + 1
        sandbox, passed = self._open_sandbox(number, plan.name)
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._launching[number] = started
        self._sandboxes[number] = sandbox
        sent = [memory_file("order", order_bytes(order)), *passed[:2]]
        try:
            self._send(
                message_bytes(op="launch", id=number),
                [*sent, requests.fileno(), metrics.fileno(), passed[2]],
            )
            sandbox.init_pid = await asyncio.wait_for(started, _LAUNCH_SECONDS)
        except (OSError, TimeoutError, LaunchFailed) as error:
            self._send_quietly(message_bytes(op="kill", id=number))
            words = sandbox.read_error_text(_ERROR_TEXT_BYTES)
            sandbox.close()
            raise LaunchFailed(
                f"sandbox of {plan.name} could not be built: {words or error}",
                hint=_NEEDS_NAMESPACES,
            ) from error
        finally:
            self._launching.pop(number, None)
            for descriptor in (sent[0], *passed):
                os.close(descriptor)
        return sandbox

    def _order(self, plan: SandboxPlan) -> LaunchOrder:
        command = bwrap_command(plan)
        program = None
        if plan.seccomp_profile is not None:
            profile = self.profiles.get(plan.seccomp_profile)
            if profile is None:
                raise LaunchFailed(f"seccomp profile {plan.seccomp_profile!r} is not known here")
            program = compile_profile(profile, platform.machine()).instructions
        return LaunchOrder(
            name=plan.name,
            options=command.options,
            program=command.program,
            limits=plan.limits,
            host_uid=plan.ids.host_uid,
            host_gid=plan.ids.host_gid,
            seccomp_program=program,
        )

    def _open_sandbox(self, number: int, name: str) -> tuple[Sandbox, tuple[int, int, int]]:
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        for descriptor in (out_read, err_read):
            os.set_blocking(descriptor, False)  # positional only
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)  # noqa: FBT003  # positional only
        sandbox = Sandbox(number, name, (out_read, err_read), ours, self._send_quietly)
        return sandbox, (out_write, err_write, theirs.detach())

    def _hear(self) -> None:
        try:
            raw = self._channel.recv(LARGEST_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._lose()
            return
        message = read_message(raw)
        match message.pop("event"):
            case "hello":
                self._hello.set_result(message)
            case "started":
                self._resolve(message["id"], message["init_pid"])
            case "failed":
                status = ExitStatus(code=0, started=False, failure=message["message"])
                self._end(message["id"], status)
            case "exited":
                self._end(message.pop("id"), ExitStatus.from_wire(message))

    def _resolve(self, number: int, init_pid: int) -> None:
        future = self._launching.get(number)
        if future is not None and not future.done():
            future.set_result(init_pid)

    def _end(self, number: int, status: ExitStatus) -> None:
        future = self._launching.get(number)
        if future is not None and not future.done():
            future.set_exception(LaunchFailed(status.failure or f"bwrap ended with {status.code}"))
        sandbox = self._sandboxes.pop(number, None)
        if sandbox is not None:
            sandbox.ended(status)

    def _lose(self) -> None:
        if self._gone.is_set():
            return
        asyncio.get_running_loop().remove_reader(self._channel.fileno())
        self._channel.close()
        self._gone.set()
        if not self._hello.done():
            self._hello.set_exception(ConnectionError("launcher ended"))
        lost = ExitStatus(code=137, started=True, failure="the launcher was lost")
        for number, sandbox in list(self._sandboxes.items()):
            # An ordinary user's pid 1 does not always hear that its parent died.
            # tests/unit/node/test_launch_life.py
            if sandbox.init_pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(sandbox.init_pid, signal.SIGKILL)
            self._end(number, lost)

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        # Blocking for the moment that the launcher needs; datagrams are small and few.
        if self._gone.is_set():
            raise ConnectionError("the launcher is gone")
        socket.send_fds(self._channel, [message], descriptors)

    def _send_quietly(self, message: bytes) -> None:
        with contextlib.suppress(OSError):
            self._send(message, [])

    async def lost(self) -> None:
        """Return when the launcher process is gone; every sandbox is then gone too."""
        await self._gone.wait()
        await self._process.wait()

    async def close(self) -> None:
        """Kill every sandbox, remove the cgroups, end the launcher."""
        if not self._gone.is_set():
            # Half closed: the launcher sees the end and still delivers how each sandbox ended.
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_WR)
        await self._process.wait()
        self._lose()
