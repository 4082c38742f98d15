"""Resolves a Function's dependencies once, to a lock in which every file has its hash.

uv and npm do the work inside the tool sandbox. Nothing of the packages is run: wheels only, no
install scripts. A lock holds names, versions and hashes and never an address, so that it says the
same on every machine and leaks no registry.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casemate.api.catalogue import RUNTIMES, Language
from casemate.node.dependency_errors import DependencyError, LockRefused
from casemate.node.probe import machine_arch

if TYPE_CHECKING:
    from pathlib import Path

    from casemate.node.registry_secret import RegistryConfig
    from casemate.node.root_view import Interpreter
    from casemate.node.tools import PackageTools
    from casemate.sources.lockfile import Dependencies

_PYTHON_PIN = re.compile(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=(sha\d+:[0-9a-f]+)")
_MOST_PACKAGES = 2000
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package of a lock."""

    name: str
    version: str


@dataclass(frozen=True)
class Lock:
    """A checked lock; equal text means equal bytes installed."""

    language: Language
    text: str
    packages: tuple[LockedPackage, ...]
    notes: tuple[str, ...] = ()
    """What the user should know, such as install scripts that were not run."""

    @property
    def digest(self) -> str:
        """Return `sha256:` over the text."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"


def read_lock(text: str, language: Language) -> Lock:
    """Check the text of a lock, our own or a stored one; raises LockRefused."""
    return _read_python(text) if language is Language.PYTHON else _read_npm(text)


class Resolver:
    """Resolves for one installation; finished locks are remembered by what was asked."""

    def __init__(self, tools: PackageTools, directory: Path) -> None:
        self._tools = tools
        self._directory = directory

    def resolve(
        self,
        dependencies: Dependencies,
        interpreter: Interpreter,
        *,
        registry: RegistryConfig | None = None,
        refresh: bool = False,
    ) -> Lock:
        """Return the lock; raises DependencyError, or RegistryUnreachable: wait and try again."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        asked_with = registry.fingerprint(self._key()) if registry else ""
        question = _question(dependencies, interpreter, asked_with)
        remembered = self._directory / f"{question}.lock"
        if remembered.is_file() and not refresh:
            return read_lock(remembered.read_text(), dependencies.language)
        if dependencies.language is Language.PYTHON:
            text = self._tools.compile_requirements(dependencies.text, interpreter, registry)
            text = bind_hashes(text, dependencies)
        else:
            text = self._tools.compile_package_lock(package_json(dependencies.text), registry)
        lock = read_lock(text, dependencies.language)
        draft = remembered.with_suffix(f".{id(lock)}")
        draft.write_text(lock.text)
        draft.rename(remembered)
        return lock

    def _key(self) -> bytes:
        """Return this installation's own random bytes; whoever comes first makes them."""
        path = self._directory / "key"
        with suppress(FileNotFoundError):
            return path.read_bytes()
        # Linked when it is whole, so that nobody reads half a key or makes a second one.
        with tempfile.NamedTemporaryFile(dir=self._directory) as draft:
            draft.write(secrets.token_bytes(_KEY_BYTES))
            draft.flush()
            with suppress(FileExistsError):
                os.link(draft.name, path)
        return path.read_bytes()


def package_json(wishes: str) -> str:
    """Return the package.json that npm sees: names and ranges, and nothing else of the user's."""
    document = {"name": "function", "version": "0.0.0", "private": True}
    return json.dumps({**document, "dependencies": json.loads(wishes)}, indent=1)


def bind_hashes(text: str, dependencies: Dependencies) -> str:
    """Keep of each package only the hashes that the user allowed; raises DependencyError."""
    blocks = []
    for block in _blocks(text):
        pin = _PYTHON_PIN.match(block)
        allowed = dependencies.hashes.get(pin[1]) if pin else None
        if pin is None or allowed is None:
            blocks.append(block)
            continue
        kept = [each for each in _HASH.findall(block) if each in allowed]
        if not kept:
            # ATTACK: a registry serves another file under a name that the user pinned by hash.
            # tests/unit/node/test_resolve.py::test_a_hash_the_registry_lacks_is_refused
            raise DependencyError(
                f"{pin[1]}=={pin[2]} has no file with the hash that requirements.txt demands"
            )
        head = block.split(" \\", maxsplit=1)[0].rstrip()
        blocks.append(" \\\n".join([head, *(f"    --hash={each}" for each in kept)]) + "\n")
    return "".join(blocks)


def _question(dependencies: Dependencies, interpreter: Interpreter, asked_with: str) -> str:
    version = RUNTIMES[interpreter.runtime].version
    # uv answers for this machine: its markers choose packages, and only its wheels count.
    words = [dependencies.language, version, machine_arch(), dependencies.digest]
    words += sorted(f"{k}={','.join(sorted(v))}" for k, v in dependencies.hashes.items())
    words += [asked_with, interpreter.digest if interpreter.is_foreign else ""]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _blocks(text: str) -> list[str]:
    return re.split(r"(?m)^(?=[^\s#])", text)


def _read_python(text: str) -> Lock:
    packages = []
    for block in _blocks(text):
        if not block.strip() or block.startswith("#"):
            continue
        pin = _PYTHON_PIN.match(block)
        # ATTACK: a line without hash or with an address would install bytes that nobody locked.
        # tests/unit/node/test_resolve.py::test_a_lock_without_hashes_is_refused
        if pin is None or not _HASH.search(block) or "://" in block:
            raise LockRefused(f"lock line {block.splitlines()[0][:80]!r} has no version or no hash")
        packages.append(LockedPackage(pin[1], pin[2]))
    if not packages or len(packages) > _MOST_PACKAGES:
        raise LockRefused(f"lock has {len(packages)} packages, 1 to {_MOST_PACKAGES} are allowed")
    return Lock(Language.PYTHON, text, tuple(packages))


def _read_npm(text: str) -> Lock:
    try:
        entries: dict[str, Any] = json.loads(text)["packages"]
        packages, scripts = [], []
        for path, entry in sorted(entries.items()):
            if not path:
                continue
            name = path.rpartition("node_modules/")[2]
            _require_registry_entry(path, entry)
            packages.append(LockedPackage(name, str(entry["version"])))
            if entry.get("hasInstallScript"):
                scripts.append(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LockRefused("package-lock.json has an unknown shape") from error
    if not packages or len(packages) > _MOST_PACKAGES:
        raise LockRefused(f"lock has {len(packages)} packages, 1 to {_MOST_PACKAGES} are allowed")
    notes = (f"install scripts not run: {', '.join(scripts)}",) if scripts else ()
    return Lock(Language.NODEJS, text, tuple(packages), notes)


def _require_registry_entry(path: str, entry: dict[str, Any]) -> None:
    climbs = ".." in path.split("/") or not path.startswith("node_modules/")
    hashed = str(entry.get("integrity", "")).startswith("sha512-")
    # ATTACK: a dependency of a dependency is a git address, a link, or has only a broken hash.
    # tests/unit/node/test_resolve.py::test_a_package_lock_with_a_foreign_entry_is_refused
    if climbs or entry.get("link") or "resolved" in entry or not hashed:
        raise LockRefused(f"{path[:80]!r} is not a hashed package of the registry")
