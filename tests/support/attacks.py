"""The arena of the attacks: the same handler once without walls, once in the real sandbox.

An attack is a handler that answers `{"succeeded": bool, "evidence": str}`. `Arena.stops` first runs
it as a plain process of the test's user, where it must succeed: an attack that fails everywhere
would prove nothing. Then the same text runs in the sandbox that the product starts, and must fail.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casemate.api.manifest import parse_manifests
from casemate.apiserver.store.database import Store
from casemate.engine.objects import Objects
from casemate.engine.revisions import LocalRevisions
from casemate.node.launch import Launcher
from casemate.settings import Settings
from support.node_runtime import SOURCE as NODE_SERVER
from support.node_runtime import start_node
from support.python_runtime import RUNTIME as PYTHON_SERVER
from support.python_runtime import interpreters, start_python
from support.runtime_client import UnixConnection
from support.stored import put

LANGUAGES = ("python", "node")
PYTHON_PRELUDE = '''\
import ctypes, os, platform, time

_NUMBERS = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "pidfd_getfd": 438, "unshare": 272, "clone3": 435,
        "mount": 165, "fsopen": 430, "setns": 308, "bpf": 321, "io_uring_setup": 425,
        "userfaultfd": 323, "perf_event_open": 298, "add_key": 248, "name_to_handle_at": 303,
        "open_by_handle_at": 304, "personality": 135, "shmget": 29, "clock_adjtime": 305,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "pidfd_getfd": 438, "unshare": 97, "clone3": 435,
        "mount": 40, "fsopen": 430, "setns": 268, "bpf": 280, "io_uring_setup": 425,
        "userfaultfd": 282, "perf_event_open": 241, "add_key": 217, "name_to_handle_at": 264,
        "open_by_handle_at": 265, "personality": 92, "shmget": 194, "clock_adjtime": 266,
    },
}[platform.machine()]
_libc = ctypes.CDLL(None, use_errno=True)


def syscall(name, *arguments):
    # As long: of seven arguments the last lies on the stack, where an int leaves half unset.
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = _libc.syscall(ctypes.c_long(_NUMBERS[name]), *words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def attempt(action):
    try:
        evidence = action()
    except Exception as error:
        return {"succeeded": False, "evidence": repr(error)}
    return {"succeeded": bool(evidence), "evidence": repr(evidence)}


def in_child(action):
    """Run in a process of its own, so that what succeeds does not change the test's."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = repr(action())
        except BaseException as error:
            text = "!" + repr(error)
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    text = b""
    while part := os.read(read, 4096):
        text += part
    os.close(read)
    os.waitpid(pid, 0)
    if text.startswith(b"!"):
        raise OSError(text.decode())
    return text.decode() not in ("None", "False", "''") and text.decode()


'''
NODE_PRELUDE = """\
const fs = require("fs");
const child_process = require("child_process");
const attempt = (action) => {
  try {
    const evidence = action();
    return { succeeded: Boolean(evidence), evidence: String(evidence) };
  } catch (error) {
    return { succeeded: false, evidence: String(error) };
  }
};
"""
TEST_SECRET = "CASEMATE_TEST_SECRET"


@dataclass(frozen=True)
class Outcome:
    """What an attack says of itself."""

    succeeded: bool
    evidence: str


class Arena:
    """Host-side victims, a launcher, and both ways to run a handler."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casemate"
        self._settings = Settings(cache / "test-state", cache / "test-packages", folder / "run")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._launcher = self._call(Launcher.start())
        self._store = self._call(Store.open(None))
        self._revisions = LocalRevisions(
            self._settings, Objects(self._store), self._launcher, strict=False
        )
        self._victims = Victims(folder)

    def close(self) -> None:
        """Take everything down."""
        self._revisions.close()
        self._call(self._store.close())
        self._call(self._launcher.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self._victims.close()

    def stops(self, language: str, source: str, *, needs_root: bool = False) -> Outcome:
        """Require that the attack succeeds without the sandbox and fails in it."""
        if not needs_root or os.geteuid() == 0:
            outside = self.outside(language, source)
            assert outside.succeeded, f"the attack proves nothing: {outside.evidence}"
        inside = self.inside(language, source)
        assert not inside.succeeded, f"the sandbox let it through: {inside.evidence}"
        return inside

    def outside(self, language: str, source: str) -> Outcome:
        """Run the handler as a plain process, without any protection."""
        targets = {**self._victims.targets, **self._outside_paths(language)}
        environment = {TEST_SECRET: "found"}
        if language == "python":
            version = next(iter(interpreters()))
            started = start_python(PYTHON_PRELUDE + source, environment, version=version)
        else:
            started = start_node(NODE_PRELUDE + source, **environment)
        with started as runtime:
            runtime.wait_ready()
            reply = runtime.call(
                "POST", "/", json.dumps(targets), {"content-type": "application/json"}
            )
        return _outcome(reply.status, reply.body)

    def inside(self, language: str, source: str) -> Outcome:
        """Run the handler in the sandbox that the product would start."""
        prelude = PYTHON_PRELUDE if language == "python" else NODE_PRELUDE
        targets = {**self._victims.targets, **_inside_paths(language)}
        os.environ[TEST_SECRET] = "found"
        try:
            return self._call(self._run_inside(language, prelude + source, targets))
        finally:
            del os.environ[TEST_SECRET]

    async def _run_inside(self, language: str, source: str, targets: dict[str, Any]) -> Outcome:
        runtime = "python313" if language == "python" else "nodejs24"
        manifest = {
            "apiVersion": "serverless.kyma-project.io/v1alpha2",
            "kind": "Function",
            "metadata": {"name": f"attack-{language}"},
            "spec": {"runtime": runtime, "source": {"inline": {"source": source}}},
        }
        parsed = parse_manifests(json.dumps(manifest).encode(), "attack")
        for found in parsed.objects_or_raise():
            if found.kind != "Function":
                await put(self._store, found.wire())
        function = parsed.functions[0]
        made = await self._revisions.make(function, lambda _step: None)
        place = Path(tempfile.mkdtemp(dir="/tmp", prefix="casemate-at-"))
        with socket.socket(socket.AF_UNIX) as requests, socket.socket(socket.AF_UNIX) as metrics:
            for name, listener in (("http", requests), ("metrics", metrics)):
                listener.bind(str(place / name))
                listener.listen()
            sandbox = await self._launcher.launch(
                made.plan.sandbox, requests=requests, metrics=metrics
            )
        try:
            status, body = await asyncio.wait_for(
                asyncio.to_thread(_post, str(place / "http"), targets), 15
            )
        finally:
            await sandbox.kill()
            await sandbox.wait()
            sandbox.close()
            for name in ("http", "metrics"):
                (place / name).unlink()
            place.rmdir()
        return _outcome(status, body)

    def _outside_paths(self, language: str) -> dict[str, str]:
        shared = self._folder / "base-layer"
        shared.mkdir(exist_ok=True)
        server = PYTHON_SERVER / "server.py" if language == "python" else NODE_SERVER / "server.mjs"
        return {"server_file": str(server), "base_layer": str(shared)}

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


class Victims:
    """Things of the host that an attack aims at; made by the test, gone with it."""

    def __init__(self, folder: Path) -> None:
        state = folder / "state"
        state.mkdir()
        (state / "signing.key").write_text("-----BEGIN PRIVATE KEY-----")
        (folder / "scratch").mkdir()
        (folder / "scratch" / "left").write_text("a sibling's data")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", "import sys; sys.stdin.read()", "casemate-victim"],
            stdin=subprocess.PIPE,
        )
        self._segment = _shared_segment()
        self._closers: list[socket.socket] = []
        tcp = self._serve(socket.AF_INET, ("127.0.0.1", 0))
        name = f"casemate-test-{os.getpid()}"
        self._serve(socket.AF_UNIX, f"\0{name}")
        place = tempfile.mkdtemp(prefix="casemate-vi-")
        self._serve(socket.AF_UNIX, f"{place}/control.sock")
        self._place = place
        self.targets: dict[str, Any] = {
            "state_dir": str(state),
            "key_file": str(state / "signing.key"),
            "siblings_scratch": str(folder / "scratch" / "left"),
            "engine_pid": os.getpid(),
            "victim_pid": self._process.pid,
            "engine_marker": "casemate-victim",
            "tcp_port": tcp.getsockname()[1],
            "udp_port": self._serve_udp(),
            "abstract_name": name,
            "unix_path": f"{place}/control.sock",
            "shm_key": self._segment,
        }

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(5)
        for listener in self._closers:
            listener.close()
        Path(self._place, "control.sock").unlink(missing_ok=True)
        Path(self._place).rmdir()
        subprocess.run(["ipcrm", "-M", hex(self._segment)], check=False, capture_output=True)

    def _serve(self, family: int, address) -> socket.socket:
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen()
        self._closers.append(listener)
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()
        return listener

    def _serve_udp(self) -> int:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 0))
        self._closers.append(receiver)
        threading.Thread(target=_echo, args=(receiver,), daemon=True).start()
        return receiver.getsockname()[1]


def _greet(listener: socket.socket) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            peer.sendall(b"a service of the host")


def _echo(receiver: socket.socket) -> None:
    while True:
        try:
            _, sender = receiver.recvfrom(100)
            receiver.sendto(b"a service of the host", sender)
        except OSError:
            return


def _shared_segment() -> int:
    made = subprocess.run(
        ["ipcmk", "-M", "4096"], check=True, capture_output=True, text=True
    ).stdout
    number = re.search(r"(\d+)", made).group(1)
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == number:
            return int(words[0])
    raise AssertionError("the segment is not listed")


def _inside_paths(language: str) -> dict[str, str]:
    name = "server.py" if language == "python" else "server.mjs"
    base = "/opt/casemate/packages" if language == "python" else "/node_modules"
    return {"server_file": f"/opt/casemate/runtime/{name}", "base_layer": base}


def _post(path: str, targets: dict[str, Any]) -> tuple[int, bytes]:
    connection = UnixConnection(path, 15)
    try:
        headers = {"content-type": "application/json"}
        reply = connection.call("POST", "/", json.dumps(targets), headers)
        return reply.status, reply.body
    finally:
        connection.close()


def _outcome(status: int, body: bytes) -> Outcome:
    assert status == 200, f"the attack itself is broken: {status} {body[:300]!r}"
    answer = json.loads(body)
    return Outcome(bool(answer["succeeded"]), str(answer["evidence"]))
