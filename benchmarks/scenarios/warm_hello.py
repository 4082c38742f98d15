"""Warm hello world through gateway, token and sandbox, beside the peer's server design alone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.harness.engine import RunningEngine
from benchmarks.harness.load import LoadFigures, run_load
from benchmarks.harness.pod_limits import preset_limits

HERE = Path(__file__).parent
BASELINES = HERE.parent / "baselines"
PYTHON_PORT, NODE_PORT = 18181, 18182
SECONDS = 5


def measure(engine: RunningEngine) -> list[dict[str, object]]:
    """Return two rows per language: the baseline free, and under its Pod's limits as ours is."""
    rows = []
    for language, name, start in (
        ("Python", "hello-python", _bottle),
        ("Node", "hello-node", _express),
    ):
        rows.append(_row(language, engine, name, start(engine)))
        with preset_limits() as confine:
            if confine is not None:
                baseline = start(engine)
                confine(baseline.pid)
                rows.append(_row(language, engine, name, baseline, "; baseline limited as ours"))
    return rows


def _row(
    language: str,
    engine: RunningEngine,
    name: str,
    baseline: subprocess.Popen[bytes],
    which: str = "",
) -> dict[str, object]:
    port = PYTHON_PORT if language == "Python" else NODE_PORT
    url = f"http://127.0.0.1:{port}/"
    try:
        _wait(url)
        # In turn and twice, so that a slow moment of a shared machine meets both.
        peers = [run_load(url, seconds=SECONDS)]
        ours = [_ours(engine, name)]
        peers.append(run_load(url, seconds=SECONDS))
        ours.append(_ours(engine, name))
    finally:
        baseline.terminate()
        baseline.wait(10)
    peer, own = max(peers, key=_rate), max(ours, key=_rate)
    return {
        "what": f"warm hello, {language}, 64 connections{which}",
        "baseline_per_second": round(peer.requests_per_second),
        "ours_per_second": round(own.requests_per_second),
        "ratio": round(own.requests_per_second / max(peer.requests_per_second, 1), 1),
        "baseline_p99_ms": round(peer.p99_ms, 1),
        "p50_ms": round(own.p50_ms, 2),
        "p99_ms": round(own.p99_ms, 1),
        "errors": sum(each.errors for each in ours),
    }


def _rate(figures: LoadFigures) -> float:
    return figures.requests_per_second


def _ours(engine: RunningEngine, name: str) -> LoadFigures:
    grant = engine.token(name)
    headers = {"authorization": f"Bearer {grant['token']}"}
    run_load(grant["url"], headers=headers, seconds=1)
    return run_load(grant["url"], headers=headers, seconds=SECONDS)


def _bottle(engine: RunningEngine) -> subprocess.Popen[bytes]:
    layer = engine.base_layer("python313")
    # cheroot is pure Python and not of the base layer: it comes from our own environment.
    places = f"{layer}:{sysconfig.get_path('purelib')}"
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(PYTHON_PORT),
        "PYTHONPATH": places,
        "OTEL_PROPAGATORS": "tracecontext,baggage,b3multi",
    }
    program = [engine.python("3.13") or sys.executable, str(BASELINES / "bottle_server.py")]
    return subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL)


def _express(engine: RunningEngine) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(NODE_PORT),
        "NODE_PATH": str(engine.base_layer("nodejs24")),
    }
    program = [engine.node(), str(BASELINES / "express_server.cjs")]
    return subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urlopen(Request(url), timeout=1) as reply:
                reply.read()
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the baseline at {url} does not answer: {error}") from error
            time.sleep(0.1)
        else:
            return
