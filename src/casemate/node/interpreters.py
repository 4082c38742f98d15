"""Finds or fetches the interpreter of a runtime; never another version than the runtime means.

Found on the machine, or fetched by uv, from a Debian suite, or as a locked npm package; then copied
into one sealed tree of the store. What was found is remembered together with the size and time of
every program and library that was copied: a security update of the host makes a new tree, an
unchanged host costs a few `stat` calls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casemate.api.catalogue import RUNTIMES, Language
from casemate.errors import CasemateError
from casemate.node import debian_rootfs, discovery, node_binaries
from casemate.node.host_view import Sysroot
from casemate.node.node_view import build_node_tree
from casemate.node.probe import Probe, probe_python
from casemate.node.python_view import build_python_tree, view_of
from casemate.node.root_view import Interpreter
from casemate.node.runtime_errors import FetchFailed, RuntimeUnavailable
from casemate.node.store import Kind, Store, StoredTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casemate.api.catalogue import Runtime
    from casemate.settings import Settings

Progress = Callable[[str], None]
# Raise it when the way a tree is assembled changes; older trees are then made anew.
# The Node that our own dependencies bring, and npm with it.
_NPMS_RUNTIME = "nodejs24"
_VIEW_FORMAT = 1


@dataclass(frozen=True)
class _Source:
    """Where a tree is assembled from."""

    origin: str
    probe: Probe
    sysroot: Sysroot
    lasting: bool
    """The files stay where they are, and a change of theirs must be noticed."""


class Interpreters:
    """All interpreters of one installation; may be used from several threads."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def find(self, runtime: str) -> Interpreter | None:
        """Return the interpreter if it is on this machine; fetches nothing."""
        row = _row(runtime)
        with self._store.locked(f"runtime-{runtime}"):
            return self._remembered(row) or self._discover(row)

    def ensure(self, runtime: str, progress: Progress | None = None) -> Interpreter:
        """Return the interpreter, fetching it when needed; raises RuntimeUnavailable."""
        row = _row(runtime)
        say = progress or _silent
        with self._store.locked(f"runtime-{runtime}"):
            known = self._remembered(row)
            if known is not None:
                return known
            say(f"looking for {_title(row)}")
            return self._discover(row) or self._fetch(row, say)

    def ensure_all(
        self, runtimes: Iterable[str], progress: Progress | None = None
    ) -> dict[str, Interpreter | CasemateError]:
        """Ensure several at once; one that is unavailable does not harm the others."""
        names = tuple(dict.fromkeys(runtimes))

        def one(name: str) -> Interpreter | CasemateError:
            try:
                return self.ensure(name, progress)
            except CasemateError as error:
                return error

        with ThreadPoolExecutor(max_workers=4) as pool:
            return dict(zip(names, pool.map(one, names), strict=True))

    def _remembered(self, row: Runtime) -> Interpreter | None:
        try:
            note = json.loads(self._note_path(row).read_bytes())
            unchanged = note["format"] == _VIEW_FORMAT and all(
                _identity(Path(path)) == identity for path, identity in note["watched"].items()
            )
            stored = self._store.find(Kind.ROOT, note["key"]) if unchanged else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return _interpreter(row, stored) if stored else None

    def _discover(self, row: Runtime) -> Interpreter | None:
        for origin, probe in discovery.candidates(row, self._settings.state_dir):
            with suppress(CasemateError):
                return self._take(row, _Source(origin, probe, Sysroot(Path("/")), lasting=True))
        return None

    def _fetch(self, row: Runtime, say: Progress) -> Interpreter:
        ways: tuple[Callable[[Runtime, Path, Progress], _Source], ...] = (
            (self._by_uv, self._by_debian) if row.language is Language.PYTHON else (self._by_npm,)
        )
        reasons = []
        for way in ways:
            with self._store.scratch(f"fetch-{row.name}") as directory:
                try:
                    return self._take(row, way(row, directory, say))
                except CasemateError as error:
                    reasons.append(error.message)
        raise RuntimeUnavailable(
            f"runtime {row.name} has no interpreter: {_title(row)} was not found on this machine "
            f"and could not be fetched ({'; '.join(reasons)})",
            hint=_hint(row, reasons),
        )

    def _by_uv(self, row: Runtime, _directory: Path, say: Progress) -> _Source:
        say(f"fetching {_title(row)} with uv")
        program = discovery.install_with_uv(row.version, self._settings.state_dir)
        probe = probe_python(program)
        if probe is None or not discovery.is_version(probe.version, row):
            raise FetchFailed(f"uv brought no {_title(row)}")
        return _Source("uv", probe, Sysroot(Path("/")), lasting=True)

    def _by_debian(self, row: Runtime, directory: Path, say: Progress) -> _Source:
        say(f"fetching {_title(row)} from Debian")
        root, suite = debian_rootfs.fetch_python(
            row.version, directory, allow_stale=self._settings.allow_stale_suites
        )
        probe = debian_rootfs.probe_rootfs(root, row.version)
        return _Source(f"debian {suite}", probe, debian_rootfs.sysroot_of(root), lasting=False)

    def _by_npm(self, row: Runtime, directory: Path, say: Progress) -> _Source:
        if row.name == _NPMS_RUNTIME:
            # npm itself runs on it, so this would wait for the lock that we hold.
            raise FetchFailed("the Node that casemate brings does not start in a sandbox here")
        say(f"fetching {_title(row)} from npm")
        npm_root = self.ensure(_NPMS_RUNTIME, say).root
        cache = self._settings.cache_dir / "npm-tool"
        program = node_binaries.fetch_node(row.version, npm_root, directory, cache)
        version = node_binaries.locked_version(row.version) or ""
        return _Source("npm", Probe(version, program), Sysroot(Path("/")), lasting=False)

    def _take(self, row: Runtime, source: _Source) -> Interpreter:
        def build(tree: Path) -> Mapping[str, Any]:
            build_tree = build_python_tree if row.language is Language.PYTHON else _build_node
            program = build_tree(source.sysroot, source.probe, tree)
            return {
                "executable": program,
                "version": source.probe.version,
                "origin": source.origin,
            }

        stored = self._store.put(Kind.ROOT, build)
        watched = source.sysroot.taken if source.lasting else set()
        note = {
            "format": _VIEW_FORMAT,
            "key": stored.key,
            "watched": {str(path): _identity(path) for path in sorted(watched)},
        }
        _write_atomically(self._note_path(row), json.dumps(note))
        return _interpreter(row, stored)

    def _note_path(self, row: Runtime) -> Path:
        return self._store.root / f"interpreter-{row.name}.json"


def _build_node(sysroot: Sysroot, probe: Probe, tree: Path) -> str:
    return build_node_tree(sysroot, probe.program, tree)


def _interpreter(row: Runtime, stored: StoredTree) -> Interpreter:
    return Interpreter(
        runtime=row.name,
        version=str(stored.notes["version"]),
        executable=str(stored.notes["executable"]),
        root=view_of(stored.path),
        origin=str(stored.notes["origin"]),
        digest=stored.digest,
    )


def _row(runtime: str) -> Runtime:
    if runtime not in RUNTIMES:
        raise RuntimeUnavailable(
            f"runtime {runtime!r} does not exist", hint=f"one of {', '.join(sorted(RUNTIMES))}"
        )
    return RUNTIMES[runtime]


def _title(row: Runtime) -> str:
    return f"{'Python' if row.language is Language.PYTHON else 'Node'} {row.version}"


def _hint(row: Runtime, reasons: list[str]) -> str:
    if row.language is Language.NODEJS:
        return f"put a node {row.version} on PATH, or give this machine its npm registry"
    words = f"uv python install {row.version}, or pyenv install {row.version}, then run again"
    if any("expired" in reason for reason in reasons):
        words += "; CASEMATE_ALLOW_STALE_SUITES=1 takes Debian's although its suite is out of date"
    return words


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_mtime_ns, status.st_ino, status.st_size]


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.rename(path)


def _silent(_text: str) -> None:
    return None
