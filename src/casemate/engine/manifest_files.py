"""Paths on the command line -> objects: manifests, folders of manifests, folders with a handler.

A folder with `handler.py` or `handler.js` is one Function. Its `function.yaml` may leave out
`spec.source`: the code beside it is put in. Everything goes through the same parser as any other
manifest, and nothing is returned while one file breaks a rule.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casemate.api.catalogue import RUNTIMES
from casemate.api.manifest import (
    InvalidManifest,
    ManifestObject,
    ParsedManifests,
    merge_manifests,
    parse_manifests,
    read_documents,
)
from casemate.api.meta import FunctionRef
from casemate.errors import InvalidInput

MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 1024 * 1024
MAX_FILES = 10_000
# What a handler without a manifest runs on: the runtime of its contract that lives longest.
_DEFAULT_RUNTIMES = {"handler.py": "python313", "handler.js": "nodejs24"}
_MANIFEST_NAMES = ("function.yaml", "function.yml", "function.json")
_SKIPPED = frozenset({"node_modules", "__pycache__", "package.json", "package-lock.json"})
STDIN = "-"
# A Function refers to the others: they come first, so that it is made once and not twice.
_ORDER = ("Namespace", "Serverless", "FunctionPolicy", "Secret", "ConfigMap", "ServiceAccount",
          "FunctionSource", "Function")  # fmt: skip


class UnreadablePath(InvalidInput):
    """A path cannot be read, or holds nothing that we know."""

    code = "UnreadablePath"


@dataclass(frozen=True)
class LoadedManifests:
    """Every object of the given paths, and the files that they came from."""

    objects: tuple[ManifestObject, ...]
    files: tuple[Path, ...]
    folders: Mapping[FunctionRef, Path] = field(default_factory=dict)
    """Functions whose code is a whole folder."""

    def in_order(self) -> list[ManifestObject]:
        """Return the objects so that each comes after those that it may refer to."""
        return sorted(self.objects, key=lambda one: _ORDER.index(one.kind))


def load_manifests(paths: Iterable[Path | str]) -> LoadedManifests:
    """Read and parse everything below `paths`.

    Raises UnreadablePath, or InvalidManifest with every violation of every file.
    """
    parsed: list[ParsedManifests] = []
    files: list[Path] = []
    folders: dict[FunctionRef, Path] = {}
    for read, origin, text in read_paths(paths):
        files += read
        found = parse_manifests(text, origin)
        parsed.append(found)
        if read and read[0].name in _DEFAULT_RUNTIMES:
            folders |= {function.ref: read[0].parent for function in found.functions}
    return LoadedManifests(merge_manifests(parsed).objects_or_raise(), tuple(files), folders)


def read_paths(paths: Iterable[Path | str]) -> Iterator[tuple[list[Path], str, bytes]]:
    """Yield (files read, name for messages, manifest text); raises UnreadablePath."""
    for path in paths:
        yield from _read(Path(path))


def _read(path: Path) -> Iterator[tuple[list[Path], str, bytes]]:
    if str(path) == STDIN:
        yield [], "stdin", sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    elif path.is_file():
        yield [path], str(path), _read_bytes(path)
    elif path.is_dir():
        found = False
        for item in _folder(path):
            found = True
            yield item
        if not found:
            raise UnreadablePath(
                f"{path} holds no manifest and no handler",
                hint="start one: casemate init DIR --runtime python313",
            )
    else:
        raise UnreadablePath(f"{path} does not exist", hint="check the path")


def _folder(path: Path) -> Iterator[tuple[list[Path], str, bytes]]:
    handler = next((path / name for name in _DEFAULT_RUNTIMES if (path / name).is_file()), None)
    if handler is not None:
        yield _handler_folder(path, handler)
        return
    entries = sorted(path.iterdir())
    if len(entries) > MAX_FILES:
        raise UnreadablePath(f"{path} has more than {MAX_FILES} entries", hint="name the files")
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _SKIPPED:
            continue
        # Links are not followed: a loop of links would never end.
        if entry.is_dir() and not entry.is_symlink():
            yield from _folder(entry)
        elif entry.is_file() and entry.suffix in MANIFEST_SUFFIXES:
            yield [entry], str(entry), _read_bytes(entry)


def _handler_folder(path: Path, handler: Path) -> tuple[list[Path], str, bytes]:
    """Build the manifest of a folder that is one Function."""
    manifest = next((path / name for name in _MANIFEST_NAMES if (path / name).is_file()), None)
    if manifest is None:
        document = _bare_manifest(path.resolve().name, _DEFAULT_RUNTIMES[handler.name])
    else:
        document = _one_document(manifest)
    files = [handler] if manifest is None else [handler, manifest]
    spec = document.get("spec")
    if isinstance(spec, dict) and "source" not in spec:
        inline = {"source": _text(handler)}
        runtime = RUNTIMES.get(str(spec.get("runtime")))
        dependencies = path / (runtime.dependency_file if runtime else "requirements.txt")
        if dependencies.is_file() and (text := _text(dependencies)).strip():
            inline["dependencies"] = text
            files.append(dependencies)
        spec["source"] = {"inline": inline}
    origin = str(manifest or handler)
    return files, origin, json.dumps(document).encode()


def _bare_manifest(name: str, runtime: str) -> dict[str, Any]:
    return {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": {"name": name.lower().replace("_", "-")},
        "spec": {"runtime": runtime},
    }


def _one_document(manifest: Path) -> dict[str, Any]:
    read = read_documents(_read_bytes(manifest), str(manifest))
    if read.violations:
        raise InvalidManifest(read.violations)
    trees = [document.tree for document in read.documents]
    if len(trees) != 1 or not isinstance(trees[0], dict):
        raise UnreadablePath(
            f"{manifest} must hold exactly one Function beside its handler",
            hint="put other objects into a file of their own",
        )
    return dict(trees[0])


def _text(path: Path) -> str:
    try:
        return _read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise UnreadablePath(
            f"{path} is not UTF-8 text (byte {error.start})", hint="source is text"
        ) from None


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UnreadablePath(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise UnreadablePath(f"{path} is larger than {MAX_FILE_BYTES} bytes", hint="split it")
    return content
