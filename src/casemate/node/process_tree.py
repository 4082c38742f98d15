"""Reads which processes a sandbox has and what they hold, from outside; standard library only.

Every read may find the process gone: that is an answer (nothing), not an error.
"""

from __future__ import annotations

from pathlib import Path

_KIB = 1024


def children(pid: int) -> tuple[int, ...]:
    """Return the direct children of a process, oldest first, whichever thread made them."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return ()
    for thread in threads:
        try:
            text = (thread / "children").read_text(encoding="ascii")
        except OSError:
            continue
        found += [int(word) for word in text.split()]
    return tuple(sorted(found))


def family(pid: int) -> tuple[int, ...]:
    """Return a process and everything below it; orphans hang below pid 1 of their sandbox."""
    found = [pid]
    for one in found:
        found += [child for child in children(one) if child not in found]
    return tuple(found)


def program_pid(init_pid: int) -> int | None:
    """Return the user's program: the first child of the sandbox's pid 1."""
    born = children(init_pid)
    return born[0] if born else None


def resident_bytes(pid: int) -> int:
    """Return the memory that is the process' own: anonymous and shared, not mapped files."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return sum(
        int(fields[name].split()[0]) * _KIB for name in ("RssAnon", "RssShmem") if name in fields
    )
