"""Start one runtime server as the node starts it, and talk to it as the gateway does.

Language neutral: the caller gives the command line. The function folder is a fresh directory (also
the working directory, and `CASEMATE_FUNCTION_DIR`); descriptors 3, 4 and 5 are the request socket,
the metrics socket and the control stream; output goes to files, so no reader thread is needed.
Leaving the `with` block kills the whole process group and reaps it.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Descriptors are first moved up here, so that no dup2 below overwrites one that is still needed.
FIRST_FREE_FD = 20


@dataclass(frozen=True)
class Reply:
    """One HTTP response; header names are lower case, of repeated headers the last wins."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class UnixConnection(http.client.HTTPConnection):
    """An `http.client` connection over a unix socket."""

    def __init__(self, path: str, seconds: float = 10.0) -> None:
        super().__init__("function", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def call(self, method: str, target: str = "/", body=None, headers=None) -> Reply:
        """Send one request and read the whole answer; the connection stays open."""
        self.request(method, target, body=body, headers=dict(headers or {}))
        response = self.getresponse()
        content = response.read()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, content)


@dataclass
class RunningRuntime:
    """A started runtime process and the node's ends of its descriptors."""

    pid: int
    folder: Path
    control: socket.socket
    pidfd: int
    seen: list[dict] = field(default_factory=list)
    _control_buffer: bytes = b""
    _exit_code: int | None = None

    @property
    def requests_path(self) -> str:
        return str(self.folder / "http.sock")

    @property
    def metrics_path(self) -> str:
        return str(self.folder / "metrics.sock")

    def connect(self, seconds: float = 10.0) -> UnixConnection:
        """A keep-alive connection to the request socket; the caller closes it."""
        return UnixConnection(self.requests_path, seconds)

    def call(self, method="GET", target="/", body=None, headers=None, seconds=10.0) -> Reply:
        """One request on a connection of its own."""
        connection = self.connect(seconds)
        try:
            return connection.call(method, target, body, headers)
        finally:
            connection.close()

    def metrics(self, target: str = "/metrics") -> Reply:
        connection = UnixConnection(self.metrics_path)
        try:
            return connection.call("GET", target)
        finally:
            connection.close()

    def raw(self, payload: bytes, seconds: float = 5.0, *, half_close: bool = False) -> bytes:
        """Send bytes as they are; return all that comes back until close or silence."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(seconds)
            stream.connect(self.requests_path)
            stream.sendall(payload)
            if half_close:
                stream.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while chunk := stream.recv(65536):
                    received += chunk
            except (TimeoutError, ConnectionResetError):
                pass
            return received

    def wait_event(self, name: str, seconds: float = 10.0) -> dict:
        """Wait for one control event by name; every event read on the way stays in `seen`."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.seen:
                if event.get("event") == name:
                    return event
            if not self._read_control(deadline - time.monotonic()):
                raise AssertionError(f"no {name!r} event; seen {self.seen}; log:\n{self.log()}")

    def wait_ready(self, seconds: float = 10.0) -> RunningRuntime:
        self.wait_event("ready", seconds)
        return self

    def _read_control(self, seconds: float) -> bool:
        """Read once; False at end of stream or when time is up."""
        self.control.settimeout(max(seconds, 0.001))
        try:
            chunk = self.control.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return False
        *lines, self._control_buffer = (self._control_buffer + chunk).split(b"\n")
        self.seen.extend(json.loads(line) for line in lines)
        return bool(chunk)

    def signal(self, number: int = signal.SIGTERM) -> None:
        os.kill(self.pid, number)

    def wait_exit(self, seconds: float = 10.0) -> int:
        """Wait for the process to end by itself; return its exit code (-N for signal N)."""
        if self._exit_code is None:
            readable, _, _ = select.select([self.pidfd], [], [], seconds)
            assert readable, f"still running after {seconds} s; log:\n{self.log()}"
            _, status = os.waitpid(self.pid, 0)
            self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    @property
    def alive(self) -> bool:
        if self._exit_code is not None:
            return False
        readable, _, _ = select.select([self.pidfd], [], [], 0)
        return not readable

    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def log(self) -> str:
        return self.stdout() + self.stderr()

    def wait_log(self, text: str, seconds: float = 5.0) -> str:
        """Wait until the output holds `text`; return the whole output."""
        deadline = time.monotonic() + seconds
        while text not in self.log():
            assert time.monotonic() < deadline, f"{text!r} not logged; log:\n{self.log()}"
            time.sleep(0.01)
        return self.log()

    def memory(self) -> dict[str, int]:
        """Sum of smaps by field, in bytes: Rss, Pss, Private_Clean, Private_Dirty, ..."""
        totals: dict[str, int] = {}
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, amount = line.partition(":")
            totals[name] = int(amount.split()[0]) * 1024
        return totals

    def _close(self) -> None:
        if self._exit_code is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait_exit()
        self.control.close()
        os.close(self.pidfd)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def start_runtime(
    command: Sequence[str],
    files: Mapping[str, str | bytes],
    env: Mapping[str, str] | None = None,
) -> Iterator[RunningRuntime]:
    """Start `command` over a function folder that holds `files` (relative path -> content)."""
    # Not pytest's tmp_path: a unix socket's path must fit in 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="casemate-rt-"))
    function = folder / "function"
    for name, content in files.items():
        target = function / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    function.mkdir(exist_ok=True)
    listeners = [_listen(folder / "http.sock"), _listen(folder / "metrics.sock")]
    ours, theirs = socket.socketpair()
    try:
        pid = _spawn(command, function, env or {}, [*listeners, theirs])
    finally:
        for endpoint in (*listeners, theirs):
            endpoint.close()
    runtime = RunningRuntime(pid=pid, folder=folder, control=ours, pidfd=os.pidfd_open(pid))
    try:
        yield runtime
    finally:
        runtime._close()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(512)
    return listener


def _inheritable_beyond(last: int) -> list[int]:
    """What the test runner left open for children: in the sandbox there is nothing of it."""
    found = []
    for fd in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        with suppress(OSError):
            if fd > last and os.get_inheritable(fd):
                found.append(fd)
    return found


def _spawn(
    command: Sequence[str],
    function: Path,
    env: Mapping[str, str],
    endpoints: Sequence[socket.socket],
) -> int:
    # A clean environment as in the sandbox: the tests' own variables do not leak in.
    full_env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "CASEMATE_FUNCTION_DIR": str(function),
        "CASEMATE_LISTEN_FD": "3",
        "CASEMATE_METRICS_FD": "4",
        "CASEMATE_CONTROL_FD": "5",
        "FUNC_NAME": "sample",
        "SERVICE_NAMESPACE": "default",
        **env,
    }
    output_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    moved = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD) for s in endpoints]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(function.parent / "stdout"), output_flags, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, str(function.parent / "stderr"), output_flags, 0o600),
        *((os.POSIX_SPAWN_DUP2, fd, 3 + index) for index, fd in enumerate(moved)),
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable_beyond(2 + len(moved))),
    ]
    # `env -C` because posix_spawn cannot change the directory; it execs, so the pid stays.
    argv = ["/usr/bin/env", "-C", str(function), *command]
    try:
        # Python ignores SIGPIPE, and an ignored signal survives exec: put the default back.
        return os.posix_spawn(
            argv[0],
            argv,
            full_env,
            file_actions=actions,
            setsid=True,
            setsigdef=[signal.SIGPIPE],
        )
    finally:
        for fd in moved:
            os.close(fd)
