"""What the kernel says about a process by its pid."""

from __future__ import annotations

import shutil
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Tell whether the process still runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def ending_with_us(argv: list[str]) -> list[str]:
    """Return how to start a program that does not outlive a killed test run."""
    return ["setpriv", "--pdeathsig", "KILL", *argv] if shutil.which("setpriv") else argv
