"""Applies an image's layers to an empty tree, as if each were written by an enemy.

Every name is resolved inside the tree, links of lower layers included, and nothing is ever written
through a link. Bytes and entries are counted while they are read, so that a bomb ends early.
What no sandbox needs is refused (devices, pipes) or left out (owners, set-uid bits).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from casemate.node.image_blobs import ImageRefused

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_MOST_LINKS = 40
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(slots=True)
class Budget:
    """What all layers together may still cost."""

    entries: int = 200_000
    read_bytes: int = 4 << 30

    def take(self, *, entries: int = 0, read_bytes: int = 0) -> None:
        """Count; raises ImageRefused when it is used up."""
        self.entries -= entries
        self.read_bytes -= read_bytes
        if self.entries < 0 or self.read_bytes < 0:
            # ATTACK: a few kilobytes that unpack to terabytes. tests/unit/node/test_images.py
            raise ImageRefused("the image unpacks to more than is allowed")


class _Counted:
    """A reader that counts against the budget and hashes what passes."""

    def __init__(self, inner: IO[bytes], budget: Budget) -> None:
        self._inner = inner
        self._budget = budget
        self._total = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read at most a chunk, whatever was asked."""
        part = self._inner.read(_CHUNK if size < 0 else min(size, _CHUNK))
        self._budget.take(read_bytes=len(part))
        self._total.update(part)
        return part

    def finish(self) -> str:
        """Read the rest and return the digest of everything."""
        while self.read():
            pass
        return f"sha256:{self._total.hexdigest()}"


def apply_layer(blob: IO[bytes], tree: Path, budget: Budget) -> str:
    """Apply one layer to `tree`; returns the digest of its uncompressed bytes."""
    start = blob.read(4)
    blob.seek(0)
    if start == _ZSTD:
        raise ImageRefused("zstd layers are not read", hint="save the image with gzip layers")
    plain: IO[bytes] = gzip.GzipFile(fileobj=blob) if start[:2] == _GZIP else blob  # type: ignore[assignment]
    counted = _Counted(plain, budget)
    layer = _Layer(tree, budget)
    try:
        with tarfile.open(fileobj=counted, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                layer.add(tar, member)
        return counted.finish()
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise ImageRefused("a layer is damaged") from error


class _Layer:
    """One layer on its way into the tree."""

    def __init__(self, tree: Path, budget: Budget) -> None:
        self._tree = tree
        self._budget = budget
        self._written: set[Path] = set()

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Add one entry of the archive."""
        self._budget.take(entries=1)
        parts = _parts(member.name)
        if not parts:
            return
        parent = self._directory(parts[:-1])
        name = parts[-1]
        if name == OPAQUE:
            self._hide_all(parent)
        elif name.startswith(WHITEOUT):
            self._hide(parent / _plain(name.removeprefix(WHITEOUT)))
        elif member.isdir():
            self._make_directory(parent / name)
        else:
            self._replace(parent / name)
            self._write(tar, member, parent / name)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        if member.issym():
            path.symlink_to(member.linkname)
        elif member.islnk():
            self._hard_link(member, path)
        elif member.isreg():
            # By its stated size: a sparse entry writes more than the archive holds.
            self._budget.take(read_bytes=member.size)
            content = tar.extractfile(member)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                if content is not None:
                    shutil.copyfileobj(content, file, _CHUNK)
            path.chmod(0o755 if member.mode & 0o111 else 0o644)
        else:
            # ATTACK: a device node or a pipe of an image would be one of the host.
            # tests/unit/node/test_images.py
            raise ImageRefused(f"{member.name[:80]!r} is a device or a pipe")
        self._written.add(path)

    def _hard_link(self, member: tarfile.TarInfo, path: Path) -> None:
        parts = _parts(member.linkname)
        target = self._directory(parts[:-1]) / parts[-1] if parts else self._tree
        # ATTACK: a hard link to a link, or to nothing of this image, would lend a file of the host.
        # tests/unit/node/test_images.py
        if target.is_symlink() or not target.is_file():
            raise ImageRefused(f"hard link {member.name[:80]!r} leads to no file of the image")
        os.link(target, path, follow_symlinks=False)

    def _directory(self, parts: tuple[str, ...]) -> Path:
        """Return the directory inside the tree, links resolved as they are in the sandbox."""
        waiting, here, links = list(parts), self._tree, 0
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                here = here.parent if here != self._tree else here
                continue
            path = here / part
            if path.is_symlink():
                # ATTACK: one layer brings a link to /, the next writes through it.
                # tests/unit/node/test_images.py
                links += 1
                if links > _MOST_LINKS:
                    raise ImageRefused("links of the image lead in a circle")
                target = str(path.readlink())
                here = self._tree if target.startswith("/") else here
                waiting[:0] = [each for each in target.split("/") if each not in ("", ".")]
                continue
            if not path.is_dir():
                self._replace(path)
                path.mkdir(mode=0o755)
            here = path
        return here

    def _make_directory(self, path: Path) -> None:
        # A link to a directory stays one: distributions ship /lib as a link and as a directory.
        if path.is_symlink() and self._directory(path.relative_to(self._tree).parts).is_dir():
            return
        if not path.is_dir():
            self._replace(path)
            path.mkdir(mode=0o755)
        self._written.add(path)

    def _replace(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _hide(self, path: Path) -> None:
        if path not in self._written:
            self._replace(path)

    def _hide_all(self, directory: Path) -> None:
        for path in list(directory.iterdir()):
            below = any(path in (other, *other.parents) for other in self._written)
            if not below:
                self._replace(path)


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    # ATTACK: a name that climbs out of the tree. tests/unit/node/test_images.py
    if ".." in parts or "\0" in name:
        raise ImageRefused(f"{name[:80]!r} leads out of the image")
    return parts


def _plain(name: str) -> str:
    if name in ("", ".", ".."):
        raise ImageRefused("a whiteout names no file")
    return name
