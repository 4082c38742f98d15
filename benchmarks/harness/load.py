"""Bounded load on loopback with wrk, and its figures as numbers."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class LoadFigures:
    """What one run of load saw; times in milliseconds."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def wrk_path() -> str:
    """Return wrk's path; exits with what to install when it is missing."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("the benchmarks need wrk\nhint: apt-get install wrk")
    return found


def run_load(
    url: str, *, headers: dict[str, str] | None = None, connections: int = 64, seconds: int = 5
) -> LoadFigures:
    """Load `url` (loopback only) for `seconds` on one thread and return what came back."""
    if not url.startswith(("http://127.0.0.1:", "http://localhost:")):
        raise SystemExit(f"{url} is not on loopback")
    arguments = [wrk_path(), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for name, value in (headers or {}).items():
        arguments += ["-H", f"{name}: {value}"]
    printed = subprocess.run(
        [*arguments, url], capture_output=True, text=True, check=True, timeout=seconds + 30
    ).stdout
    return parse_wrk(printed)


def parse_wrk(printed: str) -> LoadFigures:
    """Read wrk's report; socket errors and statuses other than 2xx/3xx count as errors."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    errors = sum(
        int(number) for number in re.findall(r"(?:connect|read|write|timeout) (\d+)", printed)
    )
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    return LoadFigures(
        requests_per_second=float(rate.group(1)) if rate else 0.0,
        p50_ms=_latency(printed, "50"),
        p99_ms=_latency(printed, "99"),
        errors=errors + (int(refused.group(1)) if refused else 0),
    )


def _latency(printed: str, percentile: str) -> float:
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)\b", printed)
    return float(found.group(1)) * _UNITS_MS[found.group(2)] if found else float("nan")
