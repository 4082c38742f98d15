"""Builds dependency layers: installed packages, read-only, named by their lock.

One layer serves every Function with the same lock on the same runtime version. It is built away
from the Function, without install scripts, and never at start. `ensure_base_layer` does the same
for the libraries that a runtime itself brings, from the lock that ships with it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import casemate
from casemate.api.catalogue import RUNTIMES, Language
from casemate.api.paths import NODE_PACKAGES_DIR, PYTHON_PACKAGES_DIR
from casemate.node.dependency_errors import DependencyError
from casemate.node.probe import machine_arch
from casemate.node.resolve import Lock, read_lock
from casemate.node.root_view import ReadOnlyMount
from casemate.node.store import Kind, Store, StoredTree
from casemate.node.trees import TreeLimits, UnsafeTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casemate.node.registry_secret import RegistryConfig
    from casemate.node.root_view import Interpreter
    from casemate.node.tools import PackageTools

LAYER_LIMITS = TreeLimits(entries=100_000, total_bytes=1 << 30)
PYTHON_BASE_DIR = "/opt/casemate/packages"
NODE_BASE_DIR = "/node_modules"
# Raise it when the way a layer is built changes; older layers are then made anew.
_LAYER_FORMAT = 1
_RUNTIMES = Path(casemate.__file__).parent / "runtimes"


@dataclass(frozen=True)
class Layer:
    """One layer, ready to be mounted."""

    digest: str
    """The name of the layer: over the lock and what it was built for."""
    tree_digest: str
    mount: ReadOnlyMount
    lock: Lock


class Layers:
    """All layers of one installation; may be used from several threads and processes."""

    def __init__(self, store: Store, tools: PackageTools) -> None:
        self._store = store
        self._tools = tools

    def ensure(
        self, lock: Lock, interpreter: Interpreter, *, registry: RegistryConfig | None = None
    ) -> Layer:
        """Return a Function's layer, building it when it is missing; raises DependencyError."""
        python = lock.language is Language.PYTHON
        target = PYTHON_PACKAGES_DIR if python else NODE_PACKAGES_DIR
        return self._ensure(lock, interpreter, target, registry)

    def ensure_base_layer(self, interpreter: Interpreter) -> Layer:
        """Return the layer of the runtime's own libraries; raises DependencyError."""
        row = RUNTIMES[interpreter.runtime]
        if row.language is Language.PYTHON:
            path = _RUNTIMES / f"python/base-{row.version}.txt"
            target = PYTHON_BASE_DIR
        else:
            path, target = _RUNTIMES / "nodejs/base/package-lock.json", NODE_BASE_DIR
        return self._ensure(read_lock(path.read_text(), row.language), interpreter, target, None)

    def ensure_base_layers(self, interpreters: Iterable[Interpreter]) -> tuple[Layer, ...]:
        """Ensure several at once; raises the first failure after all have ended."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            return tuple(pool.map(self.ensure_base_layer, interpreters))

    def _ensure(
        self, lock: Lock, interpreter: Interpreter, target: str, registry: RegistryConfig | None
    ) -> Layer:
        key = layer_key(lock, interpreter)

        def build(tree: Path) -> Mapping[str, Any]:
            with self._store.scratch("layer") as work:
                self._install(lock, interpreter, work, registry)
                made = work / ("packages" if lock.language is Language.PYTHON else "node_modules")
                _move_into(made, tree)
            return {"lock": lock.digest, "runtime": interpreter.runtime}

        try:
            stored = self._store.ensure(Kind.LAYER, key, build, LAYER_LIMITS)
        except UnsafeTree as error:
            raise DependencyError(f"the installed packages are refused: {error.message}") from error
        return _layer(stored, target, lock)

    def _install(
        self, lock: Lock, interpreter: Interpreter, work: Path, registry: RegistryConfig | None
    ) -> None:
        if lock.language is Language.PYTHON:
            self._tools.install_requirements(lock.text, interpreter, work, registry)
        else:
            package = json.dumps(json.loads(lock.text)["packages"][""])
            self._tools.install_package_lock(package, lock.text, work, registry)


def layer_key(lock: Lock, interpreter: Interpreter) -> str:
    """Name the layer: equal locks for one runtime version and machine give one name."""
    row = RUNTIMES[interpreter.runtime]
    # Packages without install scripts hold no code of one Node version; wheels are per version.
    version = row.version if lock.language is Language.PYTHON else "any"
    words = [str(_LAYER_FORMAT), lock.language, version, machine_arch(), lock.digest]
    if lock.language is Language.PYTHON and interpreter.is_foreign:
        # ATTACK: an image's interpreter compiles the modules of its layer, and would leave its own
        # code to every Function with this lock. tests/unit/node/test_layers.py
        words.append(interpreter.digest)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _layer(stored: StoredTree, target: str, lock: Lock) -> Layer:
    mount = ReadOnlyMount(str(stored.path), target)
    return Layer(f"sha256:{stored.key}", stored.digest, mount, lock)


def _move_into(made: Path, tree: Path) -> None:
    if not made.is_dir():
        return
    # Console scripts: nobody can start them, and their first lines name paths of the build.
    for name in ("bin", ".bin", ".lock", ".package-lock.json"):
        path = made / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in made.iterdir():
        path.rename(tree / path.name)
