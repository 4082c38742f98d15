"""Check the changelog fragments, or join them: `--join VERSION` prints the section of a release.

A fragment is `changes/<word>.<kind>.md`: one change, written for whoever operates Casemate.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "changes"
KINDS = ("security", "removed", "changed", "added", "fixed")
NAME = re.compile(rf"[a-z0-9][a-z0-9-]*\.({'|'.join(KINDS)})\.md")
LONGEST = 600


def fragments() -> list[Path]:
    """Return every fragment, in byte order of names."""
    return sorted(path for path in FOLDER.iterdir() if path.name != "README.md")


def trouble(path: Path) -> str | None:
    """Say what is wrong with a fragment, or nothing."""
    if not NAME.fullmatch(path.name):
        return f"changes/{path.name} is not named <word>.<{'|'.join(KINDS)}>.md"
    text = path.read_text().strip()
    if not text or len(text) > LONGEST or text.startswith(("#", "-", "*")):
        return f"changes/{path.name} is not one plain paragraph of at most {LONGEST} characters"
    return None


def joined(version: str) -> str:
    """Return the section of a release."""
    out = [f"## {version}"]
    for kind in KINDS:
        texts = [path.read_text().strip() for path in fragments() if f".{kind}." in path.name]
        if texts:
            out += [f"\n### {kind.capitalize()}\n", *(f"- {' '.join(t.split())}" for t in texts)]
    return "\n".join(out)


def main() -> int:
    """Return 1 when a fragment is wrong."""
    found = [text for path in fragments() if (text := trouble(path))]
    for text in found:
        print(text)
    if not found and sys.argv[1:2] == ["--join"]:
        print(joined(sys.argv[2]))
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
