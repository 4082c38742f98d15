"""Reads a source that lies at hand: the text of a manifest, or a folder on this machine.

A folder is read without following any link, and only regular files count. What tools leave behind
(caches, version control, installed packages) is left out; a file of secrets is refused, because a
source is copied to places that its owner does not think of.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from casemate.api.violations import Violation
from casemate.errors import NotFound
from casemate.sources.guard import SourceFiles, SourceLimits, SourceRefused, guarded

if TYPE_CHECKING:
    from pathlib import Path

    from casemate.api.catalogue import Runtime

IGNORED = frozenset({
    ".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".idea", ".vscode", ".DS_Store", ".casemate",
})  # fmt: skip


class SourceMissing(NotFound):
    """The folder that should hold a source is not there."""

    code = "SourceMissing"


def inline_source(source: str, dependencies: str | None, *, runtime: Runtime) -> SourceFiles:
    """Make a source of a manifest's two texts; raises SourceRefused."""
    files = {runtime.handler_files[0]: source.encode()}
    if dependencies and dependencies.strip():
        files[runtime.dependency_file] = dependencies.encode()
    return guarded(files, handlers=runtime.handler_files)


def folder_source(
    folder: Path, *, runtime: Runtime, limits: SourceLimits | None = None
) -> SourceFiles:
    """Read a folder with a handler; raises SourceMissing or SourceRefused."""
    limits = limits or SourceLimits()
    files: dict[str, bytes] = {}
    violations: list[Violation] = []
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceMissing(f"folder {str(folder)!r} cannot be read: {error.strerror}") from error
    try:
        _read_directory(descriptor, "", files, violations, limits)
    finally:
        os.close(descriptor)
    if violations:
        raise SourceRefused(violations)
    return guarded(files, handlers=runtime.handler_files, limits=limits)


def _read_directory(
    descriptor: int,
    prefix: str,
    files: dict[str, bytes],
    violations: list[Violation],
    limits: SourceLimits,
) -> None:
    for name in sorted(os.listdir(descriptor)):
        path = f"{prefix}{name}"
        if name in IGNORED or len(files) > limits.files:
            continue
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            below = os.open(name, _flags(os.O_DIRECTORY), dir_fd=descriptor)
            try:
                _read_directory(below, f"{path}/", files, violations, limits)
            finally:
                os.close(below)
        elif stat.S_ISREG(status.st_mode) and status.st_size > limits.file_bytes:
            violations.append(Violation(path, f"is larger than {limits.file_bytes} bytes"))
        elif stat.S_ISREG(status.st_mode):
            files[path] = _read_file(descriptor, name, limits.file_bytes)
        else:
            # ATTACK: a link named helper.py that points at ~/.ssh/id_ed25519 would ship the key.
            # tests/unit/sources/test_inline.py::test_a_link_in_a_folder_is_refused_not_followed
            violations.append(Violation(path, "is a link or a special file, not a regular file"))


def _read_file(directory: int, name: str, most: int) -> bytes:
    with os.fdopen(os.open(name, _flags(os.O_NONBLOCK), dir_fd=directory), "rb") as file:
        return file.read(most + 1)


def _flags(extra: int) -> int:
    return os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | extra
