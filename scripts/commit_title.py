"""Check a commit's title: `part: what`, at most 72 characters, no final period.

With a file: the message that git is about to use. Without: the last commit's title.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LONGEST = 72
SHAPE = re.compile(r"[a-z0-9][a-z0-9/_, -]*: \S.*[^.]")
# Written by git itself.
OWN = ("Merge ", "Revert ", "fixup! ", "squash! ")


def trouble(title: str) -> str | None:
    """Say what is wrong with a title, or nothing."""
    if title.startswith(OWN):
        return None
    if len(title) > LONGEST:
        return f"title has {len(title)} characters, at most {LONGEST} are read: {title!r}"
    if not SHAPE.fullmatch(title):
        return f"title is not of the form 'part: what' without a final period: {title!r}"
    return None


def titles(arguments: list[str]) -> list[str]:
    """Return the titles to look at."""
    if arguments:
        return Path(arguments[0]).read_text().splitlines()[:1] or [""]
    done = subprocess.run(
        ["git", "log", "-1", "--no-merges", "--format=%s"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.splitlines()


def main() -> int:
    """Return 1 when a title is wrong."""
    found = [text for title in titles(sys.argv[1:]) if (text := trouble(title))]
    for text in found:
        print(f"{text}\nhint: gateway: reject tokens without audience")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
