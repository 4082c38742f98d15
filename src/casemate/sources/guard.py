"""What a Function's source may consist of, whoever brings it; pure.

A source is a handful of named texts. Names must mean the same file on every system that ever sees
them, so no links, no climbing, no two names that one file system would take for one. Every broken
rule is reported at once, and no message repeats what a file holds.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from casemate.api.violations import Violation, shortened
from casemate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WINDOWS_ONLY = frozenset('<>:"|?*\\')
_LONGEST_NAME = 255
_LONGEST_PATH = 1024


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """How large a source may be."""

    files: int = 1000
    file_bytes: int = 1 << 20
    total_bytes: int = 8 << 20


class SourceRefused(InvalidInput):
    """A source breaks rules; `violations` holds every one of them."""

    code = "SourceRefused"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        hint = next((each.hint for each in self.violations if each.hint), "")
        text = "\n".join(f"{each.path}: {each.message}" for each in self.violations)
        super().__init__(f"source cannot be used\n{text}", hint=hint)


@dataclass(frozen=True)
class SourceFiles:
    """A checked source in memory; its digest names it everywhere."""

    files: Mapping[str, bytes]
    digest: str

    def __repr__(self) -> str:
        """Show names only: the content is the user's."""
        return f"SourceFiles({sorted(self.files)}, {self.digest})"


def guarded(
    files: Mapping[str, bytes], *, handlers: tuple[str, ...], limits: SourceLimits | None = None
) -> SourceFiles:
    """Check a source and name it; raises SourceRefused with every violation."""
    limits = limits or SourceLimits()
    violations = [*_sizes(files, limits), *_collisions(files), *_handler(files, handlers)]
    for name in files:
        violations += _name(name)
    if violations:
        raise SourceRefused(violations)
    return SourceFiles(dict(sorted(files.items())), source_digest(files))


def source_digest(files: Mapping[str, bytes]) -> str:
    """Return `sha256:` over names and contents; the order in which they came does not matter."""
    total = hashlib.sha256()
    for name in sorted(files):
        content = hashlib.sha256(files[name]).hexdigest()
        total.update(f"{len(name.encode())}:{name}={content}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _name(name: str) -> list[Violation]:
    parts = name.split("/")
    wrong = ""
    # ATTACK: a name that climbs or is absolute writes outside of the tree.
    # tests/unit/sources/test_guard.py::test_a_name_that_leaves_the_source_is_refused
    if name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        wrong = "is no plain relative path"
    elif not name.isprintable() or _WINDOWS_ONLY.intersection(name):
        wrong = "has characters that file systems read differently"
    elif unicodedata.normalize("NFC", name) != name:
        wrong = "is not written in normal form (NFC)"
    elif len(name.encode()) > _LONGEST_PATH or any(len(p.encode()) > _LONGEST_NAME for p in parts):
        wrong = "is too long"
    elif parts[-1] == ".env" or parts[-1].startswith(".env."):
        wrong = "looks like a file of secrets"
    hint = "use env with a secretKeyRef instead" if "secrets" in wrong else ""
    return [Violation(shortened(ascii(name)[1:-1]), wrong, hint=hint)] if wrong else []


def _sizes(files: Mapping[str, bytes], limits: SourceLimits) -> list[Violation]:
    found = [
        Violation(shortened(name), f"is larger than {limits.file_bytes} bytes")
        for name, content in files.items()
        if len(content) > limits.file_bytes
    ]
    if len(files) > limits.files:
        found.append(Violation("source", f"has more than {limits.files} files"))
    if sum(map(len, files.values())) > limits.total_bytes:
        found.append(Violation("source", f"is larger than {limits.total_bytes} bytes in all"))
    return found


def _collisions(files: Mapping[str, bytes]) -> list[Violation]:
    seen: dict[str, str] = {}
    found = []
    for name in sorted(files):
        paths = [name, *(str(p) for p in PurePosixPath(name).parents if str(p) != ".")]
        for path in paths:
            other = seen.setdefault(unicodedata.normalize("NFKC", path).casefold(), path)
            if other != path:
                found.append(Violation(shortened(path), f"differs from {other!r} only in case"))
        if any(str(parent) in files for parent in PurePosixPath(name).parents):
            found.append(Violation(shortened(name), "lies below a name that is a file"))
    return found


def _handler(files: Mapping[str, bytes], handlers: tuple[str, ...]) -> list[Violation]:
    present = [name for name in handlers if name in files]
    if not present:
        wanted = " or ".join(handlers)
        return [Violation(wanted, "is missing", hint=f"the handler belongs into {wanted}")]
    found = []
    for name in present:
        try:
            text = files[name].decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            found.append(Violation(name, "is binary, not UTF-8 text"))
        elif not text.strip():
            found.append(Violation(name, "is empty"))
    return found
