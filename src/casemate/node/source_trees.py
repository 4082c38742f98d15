"""Writes a checked source to the store, where a sandbox can mount it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.node.store import Kind, Store

if TYPE_CHECKING:
    from pathlib import Path

    from casemate.sources.guard import SourceFiles


@dataclass(frozen=True)
class SourceTree:
    """A source as a directory: read-only files under the digest of their content."""

    digest: str
    path: Path
    files: tuple[str, ...]


def ensure_source_tree(store: Store, source: SourceFiles) -> SourceTree:
    """Write the source unless it is there already."""

    def build(tree: Path) -> None:
        for name, content in source.files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content)

    stored = store.ensure(Kind.SOURCE, source.digest.removeprefix("sha256:"), build)
    return SourceTree(source.digest, stored.path, tuple(sorted(source.files)))
