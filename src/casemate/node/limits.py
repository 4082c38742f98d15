"""Resources of a container -> the limits of its sandbox; pure.

Requests become weight under contention, limits become hard bounds. A container without a CPU or
memory limit is refused rather than run unbounded; what a Pod template cannot say (processes, open
files) comes from the node's own ceilings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.api.quantity import cpu_millis, size_bytes
from casemate.node.sandbox_steps import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casemate.api.workload import Resources

_KNOWN = frozenset({"cpu", "memory", "ephemeral-storage"})
_SHARES_OF_ONE_CPU = 1024
_LEAST_SHARES = 2
# Below this an interpreter cannot even start, and the kernel would kill it without a word.
LEAST_MEMORY_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a Pod template cannot say, the same for every sandbox of a node."""

    processes: int = 256
    """Node.js starts 11 threads, Python up to 20 for requests; a fork bomb stops here."""
    open_files: int = 4096
    """20 concurrent requests with room for the handler's own connections and files."""
    start_cpu_millis: int = 1000
    """CPU while starting, if the limit is lower: at 150m an interpreter would start for 0.4 s."""


def limits_of(
    resources: Resources, ceilings: Ceilings, *, largest_file_bytes: int
) -> tuple[Limits | None, tuple[str, ...]]:
    """Return the limits, or None and every reason why there are none."""
    reasons = tuple(_unusable(resources))
    if reasons:
        return None, reasons
    requested = resources.requests.get("cpu", resources.limits["cpu"])
    cpu = max(cpu_millis(resources.limits["cpu"]), 1)
    limits = Limits(
        cpu_millis=cpu,
        cpu_shares=max(cpu_millis(requested) * _SHARES_OF_ONE_CPU // 1000, _LEAST_SHARES),
        memory_bytes=size_bytes(resources.limits["memory"]),
        processes=ceilings.processes,
        open_files=ceilings.open_files,
        file_bytes=largest_file_bytes,
        start_cpu_millis=max(cpu, ceilings.start_cpu_millis),
    )
    if limits.memory_bytes < LEAST_MEMORY_BYTES:
        return None, (f"resources.limits.memory is below {LEAST_MEMORY_BYTES} bytes",)
    return limits, ()


def _unusable(resources: Resources) -> Iterator[str]:
    for kind, quantities in (("requests", resources.requests), ("limits", resources.limits)):
        for name, text in quantities.items():
            if name not in _KNOWN:
                yield f"resources.{kind}.{name} is no resource of this node"
                continue
            try:
                size_bytes(text)
            except ValueError:
                yield f"resources.{kind}.{name} {text!r} is not a quantity"
    for name in ("cpu", "memory"):
        if name not in resources.limits:
            yield f"resources.limits.{name} is missing"
