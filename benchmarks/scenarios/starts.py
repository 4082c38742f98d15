"""How long a start takes: the sandbox with its interpreter, and `casemate invoke` in all."""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.harness.engine import CASEMATE, RunningEngine
from casemate.api.manifest import parse_manifests
from casemate.apiserver.store.database import Store
from casemate.engine.objects import Objects
from casemate.engine.revisions import LocalRevisions
from casemate.node.launch import Launcher
from casemate.settings import Settings

RUNS = 20
EXAMPLES = Path(__file__).parents[2] / "examples"


def sandbox_start(engine: RunningEngine, name: str) -> dict[str, object]:
    """Time from the order to the runtime's `ready`: namespaces, mounts, limits, interpreter."""
    times = asyncio.run(_starts(engine, name))
    return {
        "what": f"sandbox start to ready, {name}, {RUNS} runs",
        "p50_ms": round(statistics.median(times), 1),
        "max_ms": round(max(times), 1),
    }


def invoke(engine: RunningEngine) -> dict[str, object]:
    """Time the whole command, the start of its Python included."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(
            [CASEMATE, "invoke", "hello-python"],
            env=engine.environment,
            check=True,
            capture_output=True,
        )
        times.append((time.perf_counter() - began) * 1000)
    return {
        "what": f"casemate invoke in all, {RUNS} runs",
        "p50_ms": round(statistics.median(times), 1),
        "max_ms": round(max(times), 1),
    }


async def _starts(engine: RunningEngine, name: str) -> list[float]:
    launcher = await Launcher.start()
    store = await Store.open(None)
    folder = Path(tempfile.mkdtemp(prefix="casemate-st-"))
    settings = Settings(engine.state, Path(engine.environment["CASEMATE_CACHE_DIR"]), folder)
    revisions = LocalRevisions(settings, Objects(store), launcher, strict=False)
    manifest = (EXAMPLES / name / "function.yaml").read_bytes()
    function = parse_manifests(manifest, name).functions[0]
    made = await revisions.make(function, lambda _: None)
    plan = made.plan.sandbox  # type: ignore[attr-defined]  # a WorkerPlan on this engine
    times = [await _one(launcher, plan, folder / str(number)) for number in range(RUNS)]
    revisions.close()
    await store.close()
    await launcher.close()
    return times


async def _one(launcher: Launcher, plan: object, place: Path) -> float:
    await asyncio.to_thread(place.mkdir, parents=True)
    with socket.socket(socket.AF_UNIX) as requests, socket.socket(socket.AF_UNIX) as metrics:
        for name, listener in (("h", requests), ("m", metrics)):
            listener.bind(str(place / name))
            listener.listen()
        began = time.perf_counter()
        sandbox = await launcher.launch(plan, requests=requests, metrics=metrics)  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        said = await asyncio.wait_for(loop.sock_recv(sandbox.control, 4096), 20)
        took = (time.perf_counter() - began) * 1000
    if b"ready" not in said:
        raise SystemExit(f"the runtime said {said!r}")
    await sandbox.kill()
    await sandbox.wait()
    sandbox.close()
    return took
