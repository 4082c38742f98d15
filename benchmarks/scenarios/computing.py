"""Handlers that compute: does each caller get its turn when the interpreter is busy all the time?

The ideal latency is connections x handler, because one interpreter computes one handler at a time.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.harness.engine import CASEMATE, RunningEngine
from benchmarks.harness.load import run_load

CONNECTIONS = 64
# As many as there are callers, so that they queue in the Function and not in the gateway.
_SCALING = "  scaling: {concurrency: 200}\n"
_SOURCE = """\
import time

def main(event, context):
    end = time.thread_time() + 0.001
    while time.thread_time() < end:
        pass
    return "done"
"""


def measure() -> dict[str, object]:
    """Load a handler that computes for one millisecond."""
    folder = Path(tempfile.mkdtemp(prefix="casemate-computing-")) / "computing"
    subprocess.run(
        [CASEMATE, "init", str(folder), "--runtime", "python313"], check=True, capture_output=True
    )
    (folder / "handler.py").write_text(_SOURCE)
    with (folder / "function.yaml").open("a") as manifest:
        manifest.write(_SCALING)
    with RunningEngine(folder, names=("computing",)) as engine:
        grant = engine.token("computing")
        headers = {"authorization": f"Bearer {grant['token']}"}
        figures = run_load(grant["url"], headers=headers, connections=CONNECTIONS)
    shutil.rmtree(folder.parent)
    return {
        "what": f"handler that computes 1 ms, Python, {CONNECTIONS} connections",
        "ours_per_second": round(figures.requests_per_second),
        "p50_ms": round(figures.p50_ms, 1),
        "p99_ms": round(figures.p99_ms, 1),
        "errors": figures.errors,
    }
