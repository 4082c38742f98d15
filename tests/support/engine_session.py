"""A real engine in a thread: gateway, launcher, sandboxes; called over HTTP with real tokens."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from casemate import clock
from casemate.api.manifest import parse_manifests
from casemate.api.meta import FunctionRef
from casemate.controller.status_writer import function_status
from casemate.engine.function_runner import FOR_A_DEVELOPER, Warmth
from casemate.engine.local import EngineOptions, LocalEngine
from casemate.engine.manifest_files import LoadedManifests
from casemate.settings import Settings
from support.api_client import Api
from support.stored import a_function


def test_settings(folder: Path) -> Settings:
    """Keep what is expensive to fetch in the user's cache, the rest in `folder`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casemate"
    return Settings(cache / "test-state", cache / "test-packages", folder / "run")


test_settings.__test__ = False


class EngineSession:
    """Use it in a `with` block; every method may be called from the test's thread."""

    def __init__(
        self,
        folder: Path,
        manifests: list[dict[str, Any]],
        *,
        warmth: Warmth = FOR_A_DEVELOPER,
        data_dir: Path | None = None,
    ) -> None:
        """`warmth` says whether instances run before anybody asks; most tests want them to."""
        self._data_dir = data_dir
        self._warmth = warmth
        self._folder = folder
        self._manifests = {one["metadata"]["name"]: one for one in manifests}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> EngineSession:
        self._thread.start()
        options = EngineOptions("127.0.0.1:0", data_dir=self._data_dir, warmth=self._warmth)
        self.engine = LocalEngine(test_settings(self._folder), options)
        self._run(self.engine.__aenter__())
        if self._manifests:
            self._apply()
        for name in self._manifests:
            self.wait_ready(name)
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.engine.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def apply(self, manifest: dict[str, Any]) -> None:
        """Add or change one Function; returns at once."""
        self._manifests[manifest["metadata"]["name"]] = manifest
        self._apply()

    def remove(self, name: str) -> None:
        """Remove one Function; returns at once."""
        del self._manifests[name]
        self._apply()

    def call(
        self, name: str, body: bytes | None = None, *, token: str | None = "own", path: str = ""
    ) -> tuple[int, bytes]:
        """Call a Function; `token` is `own`, None, or a token."""
        headers = {}
        if token is not None:
            own = self.token(name) if token == "own" else token
            headers["authorization"] = f"Bearer {own}"
        host, _, port = self.engine.url.removeprefix("http://").partition(":")
        connection = HTTPConnection(host, int(port), timeout=30)
        try:
            method = "POST" if body is not None else "GET"
            connection.request(method, f"/default/{name}/{path}", body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def token(self, name: str) -> str:
        """Mint a token for one Function."""
        ref = FunctionRef("default", name)
        return self._on_loop(lambda: self.engine.grant(ref, 60, "user:test").token)

    def describe(self, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return what readers see of a Function, with the status that is about to be written."""
        ref = FunctionRef(namespace, name)

        def now() -> dict[str, Any]:
            row, seen = self.engine.describe(ref), self.engine._see(ref)
            if seen is None:
                return row
            status = function_status(seen, clock.rfc3339(clock.now()))
            return {**row, "status": status.wire()}

        return self._on_loop(now)

    def condition(self, name: str, kind: str, namespace: str = "default") -> dict[str, Any]:
        """Return one condition, or an empty one."""
        found = self.describe(name, namespace)["status"].get("conditions", ())
        return next((one for one in found if one["type"] == kind), {"status": "", "reason": ""})

    def wait_condition(
        self, name: str, kind: str, status: str, seconds: float = 60, namespace: str = "default"
    ) -> dict:
        """Wait until a condition has this status."""
        deadline = time.monotonic() + seconds
        while (found := self.condition(name, kind, namespace))["status"] != status:
            seen = self.describe(name, namespace)["status"]
            assert time.monotonic() < deadline, json.dumps(seen, indent=1)
            time.sleep(0.02)
        return found

    def wait_ready(self, name: str, seconds: float = 90) -> None:
        """Wait until the newest manifest is configured and runs."""
        deadline = time.monotonic() + seconds
        while (row := self.describe(name))["status"].get("observedGeneration") != row["metadata"][
            "generation"
        ]:
            assert time.monotonic() < deadline, row
            time.sleep(0.02)
        self.wait_condition(name, "ConfigurationReady", "True", seconds)
        self.wait_condition(name, "Running", "True", seconds)

    def posture(self, name: str) -> dict[str, Any]:
        """Compare a running sandbox with its plan."""
        return self._run(self.engine.posture(FunctionRef("default", name)))

    def processes(self, name: str) -> list[int]:
        """Return the host pids of everything in a Function's sandbox."""
        running = self.engine._runner._running[FunctionRef("default", name)]
        init = running.worker.serving.status.init_pid
        namespace = os.readlink(f"/proc/{init}/ns/pid")
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def wait_gone(self, pids: list[int], seconds: float = 45) -> bool:
        """Wait until none of the processes exists."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not any(Path(f"/proc/{pid}").exists() for pid in pids):
                return True
            time.sleep(0.05)
        return False

    def api(self) -> Api:
        """Return a client of the engine's API, as its administrator."""
        return Api("engine", self._folder / "run" / "kubeconfig", {}, self._folder)

    def log_bytes(self) -> int:
        """Return how many bytes all log files hold."""
        logs = self._folder / "run" / "logs"
        return sum(path.stat().st_size for path in logs.rglob("*") if path.is_file())

    def _apply(self) -> None:
        text = json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": [*self._manifests.values()]}
        )
        objects = parse_manifests(text.encode(), "session").objects_or_raise()
        self._run(self.engine.apply(LoadedManifests(objects, ())))

    def _on_loop(self, work):
        async def run():
            return work()

        return self._run(run())

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


__all__ = ["EngineSession", "a_function", "test_settings"]
