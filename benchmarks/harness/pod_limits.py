"""Puts a baseline under the limits that its Pod would have, as our own side always is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from casemate.api.presets import DEFAULT_PRESET, PRESETS
from casemate.api.workload import Resources
from casemate.node.cgroups import open_cgroups
from casemate.node.limits import Ceilings, limits_of

_FILE_BYTES = 2**30


@contextmanager
def preset_limits(name: str = DEFAULT_PRESET) -> Iterator[Callable[[int], None] | None]:
    """Yield what confines a process (all its threads), None where this machine cannot."""
    preset = PRESETS[name]
    resources = Resources(
        requests={"cpu": preset.request_cpu, "memory": preset.request_memory},
        limits={"cpu": preset.limit_cpu, "memory": preset.limit_memory},
    )
    limits, reasons = limits_of(resources, Ceilings(), largest_file_bytes=_FILE_BYTES)
    if limits is None:
        raise SystemExit(f"preset {name} gives no limits: {reasons}")
    groups = open_cgroups((os.getpid(),))
    try:
        if "cpu" not in groups.bounded:
            yield None
            return
        group = groups.make("baseline", limits)
        group.set_cpu_millis(limits.cpu_millis)

        def confine(pid: int) -> None:
            for path in group.join_files():
                Path(path).write_text(str(pid))

        try:
            yield confine
        finally:
            group.kill()
            group.remove()
    finally:
        groups.remove()
