"""The content-addressed store: finished, read-only trees under a name that is a digest.

    <root>/<kind>/<key>/tree     what is mounted
    <root>/<kind>/<key>/meta.json  its digest, size, and what the builder noted

An entry appears by one rename or not at all, so a crash leaves no half entry; two builders of one
key wait for each other on a lock file, also across processes. What remains of a crashed build is
removed by the next builder of the same key. Kinds that hold users' source are closed to others.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casemate import clock
from casemate.errors import Internal
from casemate.node import trees

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


class Kind(StrEnum):
    """What an entry is; each kind has its own directory and bounds."""

    ROOT = "roots"
    LAYER = "layers"
    SOURCE = "sources"
    IMAGE = "images"


class CorruptEntry(Internal):
    """An entry's bytes no longer give the digest that was noted when it was made."""

    code = "CorruptStoreEntry"


@dataclass(frozen=True)
class StoredTree:
    """One entry of the store."""

    kind: Kind
    key: str
    path: Path
    digest: str
    """`sha256:` over the tree itself."""
    total_bytes: int
    notes: Mapping[str, Any] = field(default_factory=dict)


class Store:
    """All entries of one installation; safe to use from several threads and processes."""

    def __init__(self, root: Path) -> None:
        """Make the directories; `root` becomes its real path, because mounts refuse links."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root = root.resolve()
        for name in (*Kind, "locks", "tmp"):
            (self.root / name).mkdir(exist_ok=True, mode=0o700)

    def find(self, kind: Kind, key: str) -> StoredTree | None:
        """Return the entry, or nothing; marks it as used now."""
        entry = self._entry(kind, key)
        try:
            meta = json.loads((entry / "meta.json").read_bytes())
        except FileNotFoundError:
            return None
        with suppress(OSError):
            os.utime(entry / "meta.json")
        return StoredTree(
            kind, key, entry / "tree", meta["digest"], meta["total_bytes"], meta["notes"]
        )

    def ensure(
        self,
        kind: Kind,
        key: str,
        build: Callable[[Path], Mapping[str, Any] | None],
        limits: trees.TreeLimits | None = None,
    ) -> StoredTree:
        """Return the entry, building it when it is missing.

        `build` fills the empty directory it is given and may return notes to keep. When it raises,
        nothing stays behind.
        """
        found = self.find(kind, key)
        if found is not None:
            return found
        with self.locked(f"{kind}-{key}"):
            # Whoever held the lock before us may have built it.
            return self.find(kind, key) or self._build(kind, key, build, limits)

    def put(
        self,
        kind: Kind,
        build: Callable[[Path], Mapping[str, Any] | None],
        limits: trees.TreeLimits | None = None,
    ) -> StoredTree:
        """Store what `build` makes under the digest of what it made."""
        with self.scratch(kind) as staging:
            entry = staging / "entry"
            key = _finish(entry, build, limits).removeprefix("sha256:")
            with self.locked(f"{kind}-{key}"):
                found = self.find(kind, key)
                if found is None:
                    entry.rename(self._entry(kind, key))
                    found = self.find(kind, key)
        if found is None:
            raise Internal(f"store entry {key[:12]} vanished while it was made")
        return found

    def verify(self, kind: Kind, key: str) -> None:
        """Read the whole entry again; raises CorruptEntry when its digest changed."""
        found = self.find(kind, key)
        if found is not None and trees.tree_digest(found.path) != found.digest:
            raise CorruptEntry(
                f"stored {kind.removesuffix('s')} {key[:12]} is damaged",
                hint=f"remove {found.path.parent} and start again",
            )

    def remove(self, kind: Kind, key: str) -> None:
        """Remove an entry; its name disappears before its files do."""
        with self.locked(f"{kind}-{key}"):
            grave = self._scratch(kind, key)
            with suppress(FileNotFoundError):
                self._entry(kind, key).rename(grave / "entry")
            trees.remove(grave)

    def collect(
        self, kind: Kind, *, keep: Collection[str], max_bytes: int, unused_seconds: int
    ) -> tuple[str, ...]:
        """Remove what nobody uses: the longest unused first, until the kind fits `max_bytes`.

        Entries in `keep`, and those used within `unused_seconds`, stay whatever they cost.
        """
        entries = []
        for path in (self.root / kind).iterdir():
            with suppress(FileNotFoundError):
                used = (path / "meta.json").stat().st_mtime
                meta = json.loads((path / "meta.json").read_bytes())
                entries.append((used, path.name, int(meta["total_bytes"])))
        total = sum(size for _, _, size in entries)
        removed = []
        for used, key, size in sorted(entries):
            if total <= max_bytes:
                break
            if key not in keep and used < clock.now_seconds() - unused_seconds:
                self.remove(kind, key)
                removed.append(key)
                total -= size
        return tuple(removed)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock `name` against every thread and process that uses this store."""
        descriptor = os.open(
            self.root / "locks" / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give a private directory on the store's file system for as long as the block lasts."""
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root / "tmp"))
        try:
            yield path
        finally:
            trees.remove(path)

    def _entry(self, kind: Kind, key: str) -> Path:
        # ATTACK: a key with slashes or dots would name a path outside of its kind.
        # tests/unit/node/test_store.py::test_a_key_that_climbs_is_refused
        if not _KEY.fullmatch(key):
            raise Internal(f"store key {key!r} is not a digest")
        return self.root / kind / key

    def _scratch(self, kind: Kind, key: str) -> Path:
        for leftover in (self.root / "tmp").glob(f"{kind}-{key}-*"):
            trees.remove(leftover)
        return Path(tempfile.mkdtemp(prefix=f"{kind}-{key}-", dir=self.root / "tmp"))

    def _build(
        self,
        kind: Kind,
        key: str,
        build: Callable[[Path], Mapping[str, Any] | None],
        limits: trees.TreeLimits | None,
    ) -> StoredTree:
        staging = self._scratch(kind, key)
        try:
            _finish(staging / "entry", build, limits)
            (staging / "entry").rename(self._entry(kind, key))
        finally:
            trees.remove(staging)
        found = self.find(kind, key)
        if found is None:
            raise Internal(f"store entry {key[:12]} vanished while it was made")
        return found


def _finish(
    entry: Path,
    build: Callable[[Path], Mapping[str, Any] | None],
    limits: trees.TreeLimits | None,
) -> str:
    tree = entry / "tree"
    tree.mkdir(mode=0o755, parents=True)
    notes = build(tree)
    size = trees.seal(tree, limits)
    digest = trees.tree_digest(tree)
    meta = {"digest": digest, "total_bytes": size.total_bytes, "notes": dict(notes or {})}
    (entry / "meta.json").write_text(json.dumps(meta))
    return digest
