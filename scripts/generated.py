"""Run every generator with the given arguments (`--check`, or none to write)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GENERATORS = ("crds.py", "reference.py")


def main() -> int:
    """Return 1 if one of them found, or had, trouble."""
    here = Path(__file__).parent
    codes = [
        subprocess.run([sys.executable, here / name, *sys.argv[1:]], check=False).returncode
        for name in GENERATORS
    ]
    return int(any(codes))


if __name__ == "__main__":
    raise SystemExit(main())
