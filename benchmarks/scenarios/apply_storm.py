"""300 Functions applied one after the other, until each says that it is running (at zero)."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.engine import CASEMATE, state_environment
from casemate.cli.api_client import APPLY, FUNCTIONS, ApiClient, function_path

COUNT = 300
_MOST_SECONDS = 120
_SOURCES = {
    "python313": "def main(event, context):\n    return 'hello {}'\n",
    "nodejs24": "module.exports = {{ main: (event, context) => 'hello {}' }};\n",
}


def measure() -> dict[str, object]:
    """Return one row; milliseconds until all are running."""
    with tempfile.TemporaryDirectory(prefix="casemate-storm-") as folder:
        environment = state_environment(Path(folder) / "run")
        listen = ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
        where = ["--data-dir", f"{folder}/data"]
        up = [CASEMATE, "up", *where, *listen]
        subprocess.run(up, env=environment, check=True, capture_output=True)
        try:
            with ApiClient.running(Path(folder) / "run" / "kubeconfig") as client:
                applied, running = _storm(client)
        finally:
            subprocess.run([CASEMATE, "down"], env=environment, check=True, capture_output=True)
    return {
        "what": f"{COUNT} Functions applied in turn, until all are Running (scaled to zero), ms",
        "ours_per_second": round(COUNT / applied),
        "max_ms": round(running * 1000),
        "errors": 0,
    }


def _storm(client: ApiClient) -> tuple[float, float]:
    started = time.monotonic()
    query = {"fieldManager": "storm", "force": "true"}
    for number in range(COUNT):
        tree = _function(number)
        path = function_path("default", tree["metadata"]["name"])
        client.send("PATCH", path, tree, query, content_type=APPLY)
    applied = time.monotonic() - started
    while not all(map(_runs, client.get(f"{FUNCTIONS}/functions")["items"])):
        if time.monotonic() - started > _MOST_SECONDS:
            raise SystemExit(f"not all of {COUNT} Functions came to run")
        time.sleep(0.05)
    return applied, time.monotonic() - started


def _function(number: int) -> dict[str, Any]:
    runtime = list(_SOURCES)[number % 2]
    source = {"inline": {"source": _SOURCES[runtime].format(number)}}
    return {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": {"name": f"storm-{number}", "namespace": "default"},
        "spec": {"runtime": runtime, "source": source},
    }


def _runs(function: dict[str, Any]) -> bool:
    conditions = (function.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Running" and one["status"] == "True" for one in conditions)
