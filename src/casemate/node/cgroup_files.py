"""Which cgroup files carry a limit, in which order they are written, and what others tell us; pure.

Both kernel interfaces are spelled out side by side, so that a reader sees that v1 and v2 bound the
same things. Standard library only: the launcher loads this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casemate.node.sandbox_steps import Limits


class Version(StrEnum):
    """Which of the kernel's two interfaces a hierarchy speaks."""

    V1 = "v1"
    V2 = "v2"


# The kernel's own: shorter ones cost switches, longer ones make a throttled request wait.
CPU_PERIOD_US = 100_000
# The kernel refuses a quota below 1 ms.
_LEAST_QUOTA_US = 1_000
# v1 counts weight in 2..262144, v2 in 1..10000; the mapping is the kubelet's.
_SHARES_RANGE = (2, 262_144)
_WEIGHT_SPAN = 9_999


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one file of a cgroup."""

    file: str
    value: str
    required: bool = True
    """False: some kernels lack the file, and the promise holds without it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a sandbox used up to now; None where the machine does not count it."""

    oom_kills: int = 0
    memory_peak_bytes: int | None = None
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None


def limit_writes(version: Version, controllers: frozenset[str], limits: Limits) -> list[Write]:
    """Return the writes that bound a fresh cgroup, in the order that the kernel accepts."""
    writes: list[Write] = []
    if "memory" in controllers:
        writes += _memory_writes(version, limits.memory_bytes)
    if "cpu" in controllers:
        writes += [*cpu_writes(version, limits.cpu_millis), _weight_write(version, limits)]
    if "pids" in controllers:
        writes.append(Write("pids.max", str(limits.processes)))
    return writes


def _memory_writes(version: Version, limit_bytes: int) -> list[Write]:
    if version is Version.V2:
        return [
            Write("memory.max", str(limit_bytes)),
            # Swap would let a Function hold more than its limit and slow everybody down.
            Write("memory.swap.max", "0", required=False),
            # One process killed out of many leaves a half-dead Function: all or nothing.
            Write("memory.oom.group", "1", required=False),
        ]
    # A fresh group is unlimited, so both go down: memory first, because the kernel refuses a
    # memory+swap limit below the memory limit and would leave the old one in place.
    return [
        Write("memory.limit_in_bytes", str(limit_bytes)),
        Write("memory.memsw.limit_in_bytes", str(limit_bytes), required=False),
        Write("memory.swappiness", "0", required=False),
    ]


def cpu_writes(version: Version, cpu_millis: int) -> list[Write]:
    """Return the writes that set the CPU quota; also right for a group that runs."""
    quota = max(cpu_millis * CPU_PERIOD_US // 1000, _LEAST_QUOTA_US)
    if version is Version.V2:
        return [Write("cpu.max", f"{quota} {CPU_PERIOD_US}")]
    return [
        Write("cpu.cfs_period_us", str(CPU_PERIOD_US)),
        Write("cpu.cfs_quota_us", str(quota)),
    ]


def _weight_write(version: Version, limits: Limits) -> Write:
    low, high = _SHARES_RANGE
    shares = min(max(limits.cpu_shares, low), high)
    if version is Version.V1:
        return Write("cpu.shares", str(shares))
    return Write("cpu.weight", str(1 + (shares - low) * _WEIGHT_SPAN // (high - low)))


# Files whose text `usage` understands; a hierarchy has those of its controllers.
USAGE_FILES: Mapping[Version, tuple[str, ...]] = {
    Version.V1: ("memory.oom_control", "memory.max_usage_in_bytes", "cpuacct.usage", "cpu.stat"),
    Version.V2: ("memory.events", "memory.peak", "cpu.stat"),
}


def usage(version: Version, texts: Mapping[str, str]) -> Usage:
    """Read the texts of USAGE_FILES; a missing one leaves its value unknown."""
    cpu = _flat(texts.get("cpu.stat", ""))
    if version is Version.V2:
        spent = cpu.get("usage_usec")
        throttled = cpu.get("throttled_usec")
        return Usage(
            oom_kills=_flat(texts.get("memory.events", "")).get("oom_kill", 0),
            memory_peak_bytes=_number(texts.get("memory.peak")),
            cpu_seconds=None if spent is None else spent / 1e6,
            throttled_seconds=None if throttled is None else throttled / 1e6,
        )
    nanoseconds = _number(texts.get("cpuacct.usage"))
    throttled = cpu.get("throttled_time")
    return Usage(
        oom_kills=_flat(texts.get("memory.oom_control", "")).get("oom_kill", 0),
        memory_peak_bytes=_number(texts.get("memory.max_usage_in_bytes")),
        cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9,
        throttled_seconds=None if throttled is None else throttled / 1e9,
    )


def joined(parts: list[Usage]) -> Usage:
    """Put together what several hierarchies know of one sandbox."""

    def first(values: list[float | None]) -> float | None:
        return next((value for value in values if value is not None), None)

    peaks = [part.memory_peak_bytes for part in parts if part.memory_peak_bytes is not None]
    return Usage(
        oom_kills=sum(part.oom_kills for part in parts),
        memory_peak_bytes=peaks[0] if peaks else None,
        cpu_seconds=first([part.cpu_seconds for part in parts]),
        throttled_seconds=first([part.throttled_seconds for part in parts]),
    )


def _flat(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004


def _number(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isdigit() else None
