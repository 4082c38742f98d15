"""Our runtime server as a sealed tree of the store, compiled for the interpreter that runs it.

The code ships inside this package. It is mounted from the store and not from there, so that what a
sandbox sees is named by its digest and cannot change under it when the package is upgraded.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import casemate
from casemate.api.catalogue import RUNTIMES, Language
from casemate.api.paths import RUNTIME_DIR
from casemate.node.root_view import Interpreter, ReadOnlyMount
from casemate.node.store import Kind, Store
from casemate.node.tool_sandbox import ToolRun, run_tool

_RUNTIMES = Path(casemate.__file__).parent / "runtimes"
# Locks of the base layers and what tools leave behind are not code of the server.
_LEFT_OUT = ("__pycache__", "base", "base-*", "node_modules")
# Raise it when the way the tree is made changes.
_FORMAT = 1


def ensure_runtime_server(store: Store, interpreter: Interpreter) -> ReadOnlyMount:
    """Return the mount of the server for this interpreter, making its tree when it is missing."""
    python = RUNTIMES[interpreter.runtime].language is Language.PYTHON
    origin = _RUNTIMES / ("python" if python else "nodejs")

    def build(tree: Path) -> None:
        ignored = shutil.ignore_patterns(*_LEFT_OUT)
        shutil.copytree(origin, tree, dirs_exist_ok=True, ignore=ignored)
        if python:
            _compile(interpreter, tree)

    key = _key(origin, interpreter)
    return ReadOnlyMount(str(store.ensure(Kind.ROOT, key, build).path), RUNTIME_DIR)


def _compile(interpreter: Interpreter, tree: Path) -> None:
    """Compile in place; a module that stays uncompiled only costs time at each start."""
    words = ("-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    run_tool(
        ToolRun(
            (interpreter.executable, *words, RUNTIME_DIR),
            interpreter.root,
            # At its later path, which the compiled files keep for tracebacks.
            writable=((tree, RUNTIME_DIR),),
        )
    )


def _key(origin: Path, interpreter: Interpreter) -> str:
    whole = hashlib.sha256(f"{_FORMAT} {interpreter.digest}".encode())
    for path in sorted(_files(origin)):
        content = path.read_bytes()
        whole.update(f"\0{path.relative_to(origin)}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    ignored = shutil.ignore_patterns(*_LEFT_OUT)
    entries = {path.name: path for path in folder.iterdir()}
    for name in set(entries) - set(ignored(str(folder), list(entries))):
        path = entries[name]
        if path.is_dir():
            yield from _files(path)
        else:
            yield path
