"""Where an image lies on disk, a layout's folder or an archive of one, read blob by blob.

Nothing is believed: a blob is found by the digest that its parent names, and its bytes are hashed
before anything reads them. Names come from digests of a fixed form, so none can lead elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from casemate.errors import InvalidInput

DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
LARGEST_DOCUMENT = 4 << 20
_CHUNK = 1 << 20
_DOCKER_BLOB = re.compile(r"(?!\.\.?/)[A-Za-z0-9._-]+(/(?!\.\.?(/|$))[A-Za-z0-9._-]+)*", re.ASCII)


class ImageRefused(InvalidInput):
    """An image is damaged, hostile, or of a form that we do not read."""

    code = "ImageRefused"


class ImageBlobs:
    """The files of one image; use it inside `open_image`."""

    def __init__(self, folder: Path | None, archive: tarfile.TarFile | None) -> None:
        self._folder = folder
        self._archive = archive
        self._members = {} if archive is None else _members(archive)

    def document(self, name: str) -> Any | None:
        """Return a small JSON file of the layout by its name, or None when it is not there."""
        opened = self._open(name)
        if opened is None:
            return None
        with opened as file:
            return _json(file.read(LARGEST_DOCUMENT + 1), name)

    def blob_document(self, digest: str) -> Any:
        """Return a JSON blob after checking its digest."""
        with self.blob(digest) as file:
            return _json(file.read(LARGEST_DOCUMENT + 1), digest)

    def blob(self, digest: str) -> IO[bytes]:
        """Open a blob whose bytes were checked; raises ImageRefused."""
        match = DIGEST.fullmatch(digest)
        if match is None:
            raise ImageRefused(f"{digest[:80]!r} is not a sha256 digest")
        return self._checked(f"blobs/sha256/{match[1]}", match[1])

    def file(self, name: str) -> IO[bytes]:
        """Open a file that a docker-save manifest names; its content is checked elsewhere."""
        opened = self._open(name) if _DOCKER_BLOB.fullmatch(name) else None
        if opened is None:
            raise ImageRefused(f"the image has no file {name[:80]!r}")
        return opened

    def _checked(self, name: str, wanted: str) -> IO[bytes]:
        opened = self._open(name)
        if opened is None:
            raise ImageRefused(f"blob {wanted[:12]} is missing")
        total = hashlib.sha256()
        while chunk := opened.read(_CHUNK):
            total.update(chunk)
        if total.hexdigest() != wanted:
            # ATTACK: other bytes under a pinned name. tests/unit/node/test_images.py
            opened.close()
            raise ImageRefused(f"blob {wanted[:12]} has other bytes than its name says")
        opened.seek(0)
        return opened

    def _open(self, name: str) -> IO[bytes] | None:
        if self._archive is not None:
            member = self._members.get(name)
            return self._archive.extractfile(member) if member is not None else None
        path = (self._folder or Path()) / name
        # A link in a layout could show any file of this machine as a blob.
        if path.is_symlink() or not path.is_file():
            return None
        return path.open("rb")


@contextmanager
def open_image(source: Path) -> Iterator[ImageBlobs]:
    """Open a layout folder, or a tar (also gzip) archive of one; raises ImageRefused."""
    if source.is_dir():
        yield ImageBlobs(source, None)
        return
    try:
        archive = tarfile.open(source, "r:*")  # noqa: SIM115  # closed below
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ImageRefused(
            f"{source} is neither an OCI layout nor an archive of an image",
            hint="save one: skopeo copy docker://... oci-archive:FILE, or docker save -o FILE",
        ) from error
    with archive:
        yield ImageBlobs(None, archive)


def _members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    try:
        return {
            member.name.removeprefix("./"): member for member in archive.getmembers()
            if member.isreg()
        }  # fmt: skip
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ImageRefused("the archive is damaged") from error


def _json(text: bytes, name: str) -> Any:
    if len(text) > LARGEST_DOCUMENT:
        raise ImageRefused(f"{name} is larger than {LARGEST_DOCUMENT} bytes")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImageRefused(f"{name} is not JSON") from error
