"""Directory trees as values: walk, seal, digest, remove.

A tree that enters the store was written by foreign hands (an archive, an installer). Sealing makes
it harmless before anything mounts it: one owner, no write bits, no set-uid bits, no devices, no
link that points out of it. The digest covers names, kinds, the executable bit and every byte, and
nothing that differs between two honest builds (times, owners).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY_MODE = 0o555
FILE_MODE = 0o444
PROGRAM_MODE = 0o555
_CHUNK = 1 << 20


class UnsafeTree(InvalidInput):
    """A tree holds something that must not reach a sandbox."""

    code = "UnsafeTree"


@dataclass(frozen=True, slots=True)
class TreeSize:
    """What a tree costs."""

    entries: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """What a tree may cost at most."""

    entries: int = 200_000
    total_bytes: int = 2 << 30


def walk(root: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Yield (relative name, path, lstat) of everything below `root`, in byte order of names."""
    pending = [root]
    while pending:
        directory = pending.pop()
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            path = Path(entry.path)
            yield str(path.relative_to(root)), path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)


def points_inside(name: str, target: str) -> bool:
    """Tell whether a link called `name` stays in its tree; `/` is the root of that tree."""
    if not target or "\0" in target:
        return False
    depth = 0 if target.startswith("/") else name.count("/")
    for part in target.split("/"):
        if part in {"", "."}:
            continue
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def seal(root: Path, limits: TreeLimits | None = None) -> TreeSize:
    """Make a finished tree read-only and ours, or raise UnsafeTree.

    The writers must be gone: a seal does not hold against a process that still has the tree open.
    """
    limits = limits or TreeLimits()
    owner = (os.geteuid(), os.getegid())
    entries = total = 0
    for name, path, status in walk(root):
        entries += 1
        total += status.st_size if stat.S_ISREG(status.st_mode) else 0
        if entries > limits.entries or total > limits.total_bytes:
            raise UnsafeTree(
                f"tree is larger than {limits.entries} entries or {limits.total_bytes} bytes"
            )
        _seal_one(name, path, status, owner)
    os.chown(root, *owner)
    root.chmod(DIRECTORY_MODE)
    return TreeSize(entries, total)


def _seal_one(name: str, path: Path, status: os.stat_result, owner: tuple[int, int]) -> None:
    if stat.S_ISLNK(status.st_mode):
        # ATTACK: a link that climbs out reaches a sibling's files wherever a host tool follows it.
        # tests/unit/node/test_trees.py::test_a_link_out_of_the_tree_is_refused
        if not points_inside(name, str(path.readlink())):
            raise UnsafeTree(f"link {name!r} points out of the tree")
    elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UnsafeTree(f"{name!r} is neither a file, a directory nor a link")
    if (status.st_uid, status.st_gid) != owner:
        os.lchown(path, *owner)
    if stat.S_ISLNK(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        # Still walked below: it must stay open to us, which read and search are.
        path.chmod(DIRECTORY_MODE)
    else:
        path.chmod(PROGRAM_MODE if status.st_mode & 0o100 else FILE_MODE)


def tree_digest(root: Path) -> str:
    """Return `sha256:...` over everything below `root`."""
    lines = []
    for name, path, status in walk(root):
        if stat.S_ISDIR(status.st_mode):
            kind = "d"
        elif stat.S_ISLNK(status.st_mode):
            kind = f"l {hashlib.sha256(os.fsencode(str(path.readlink()))).hexdigest()}"
        else:
            kind = f"{'x' if status.st_mode & 0o100 else 'f'} {file_sha256(path)}"
        lines.append(b"%s %s\0" % (kind.encode(), os.fsencode(name)))
    return f"sha256:{hashlib.sha256(b''.join(sorted(lines))).hexdigest()}"


def file_sha256(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(root: Path) -> None:
    """Remove a tree, sealed or not; a tree that is gone already is fine."""
    if not root.exists():
        return
    if os.geteuid() != 0:
        root.chmod(0o700)
        for _, path, status in walk(root):
            if stat.S_ISDIR(status.st_mode):
                path.chmod(0o700)
    shutil.rmtree(root)
