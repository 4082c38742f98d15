"""Counts of calls under Kyma's names, in Prometheus' text format.

Written by hand: the client library costs 6 MB, and is only asked where user code has loaded it to
count things of its own.
"""

from __future__ import annotations

import os
import sys
import threading
from bisect import bisect_left

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The client library's defaults, which Kyma's dashboards expect.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class MethodCounts:
    """Numbers of one HTTP method."""

    __slots__ = ("buckets", "calls", "failures", "seconds")

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.seconds = 0.0
        # The last one counts what is slower than every bound.
        self.buckets = [0] * (len(BUCKETS) + 1)


class CallMetrics:
    """Counts calls by method; the parser knows a fixed set, so callers cannot add series."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: dict[bytes, MethodCounts] = {}

    def record(self, method: bytes, seconds: float, *, failed: bool) -> None:
        """Count one finished call."""
        with self._lock:
            counts = self._methods.get(method)
            if counts is None:
                counts = self._methods[method] = MethodCounts()
            counts.calls += 1
            counts.seconds += seconds
            counts.buckets[bisect_left(BUCKETS, seconds)] += 1
            if failed:
                counts.failures += 1

    def record_failure(self, method: bytes) -> None:
        """Turn a call that was counted as good into a failed one."""
        with self._lock:
            self._methods[method].failures += 1

    def render(self) -> bytes:
        """Write everything in text format, user code's own metrics included."""
        with self._lock:
            rows = [(name.decode(), counts) for name, counts in sorted(self._methods.items())]
            lines = [
                "# HELP function_calls_total Number of calls to user function",
                "# TYPE function_calls_total counter",
                *(f'function_calls_total{{method="{m}"}} {float(c.calls)}' for m, c in rows),
                "# HELP function_failures_total Number of exceptions in user function",
                "# TYPE function_failures_total counter",
                *(f'function_failures_total{{method="{m}"}} {float(c.failures)}' for m, c in rows),
                "# HELP function_duration_seconds Duration of user function in seconds",
                "# TYPE function_duration_seconds histogram",
            ]
            for method, counts in rows:
                lines.extend(_histogram(method, counts))
        text = "\n".join([*lines, *_process_lines()]) + "\n"
        return text.encode() + _user_metrics()


def _histogram(method: str, counts: MethodCounts) -> list[str]:
    lines = []
    running = 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts.buckets, strict=True):
        running += count
        labels = f'le="{bound}",method="{method}"'
        lines.append(f"function_duration_seconds_bucket{{{labels}}} {float(running)}")
    lines.append(f'function_duration_seconds_count{{method="{method}"}} {float(running)}')
    lines.append(f'function_duration_seconds_sum{{method="{method}"}} {counts.seconds}')
    return lines


def _process_lines() -> list[str]:
    if "prometheus_client" in sys.modules:
        # Its registry has the same names, and a scraper refuses a name given twice.
        return []
    times = os.times()
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  pathlib is 2 MB
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return [
        "# TYPE process_cpu_seconds_total counter",
        f"process_cpu_seconds_total {times.user + times.system:.2f}",
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {float(resident)}",
    ]


def _user_metrics() -> bytes:
    client = sys.modules.get("prometheus_client")
    if client is None:
        return b""
    try:
        return bytes(client.generate_latest(client.REGISTRY))
    except Exception:  # noqa: BLE001  a collector of user code may fail in any way
        return b"# the Function's own collectors failed\n"
