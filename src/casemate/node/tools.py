"""uv and npm as this project calls them: every argument, in one place, inside the tool sandbox."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.node.dependency_errors import DependencyError, RegistryUnreachable, from_tool
from casemate.node.discovery import uv_program
from casemate.node.node_view import PROGRAM, npm_directory
from casemate.node.registry_access import npm_access, uv_access
from casemate.node.tool_bounds import WriteLimits
from casemate.node.tool_sandbox import (
    ToolResult,
    ToolRun,
    ToolTimeout,
    ToolWroteTooMuch,
    run_tool,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from casemate.node.registry_access import Access
    from casemate.node.registry_secret import RegistryConfig
    from casemate.node.root_view import Interpreter, RootView

_UV = "/opt/uv"
_NPM = "/opt/npm"


@dataclass(frozen=True)
class PackageTools:
    """The two installers, with their caches."""

    cache_dir: Path
    npm_root: Callable[[], RootView]
    """Gives the view of a Node that can run npm; asked only when npm is needed."""
    allow_source_builds: bool = False
    """Run the build code of packages without wheels, inside the tool sandbox."""
    timeout_seconds: float = 300
    write_limits: WriteLimits = field(default_factory=WriteLimits)

    def compile_requirements(
        self, wishes: str, python: Interpreter, registry: RegistryConfig | None
    ) -> str:
        """Resolve a requirements.txt to one with hashes."""
        words = ["compile", "/work/requirements.in", "--output-file", "/work/lock.txt"]
        words += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
        words += ["--no-emit-find-links", *self._binary_only()]
        with _work() as work:
            place = Path(work)
            (place / "requirements.in").write_text(wishes)
            self._uv(words, python, place, registry)
            return (place / "lock.txt").read_text()

    def install_requirements(
        self, lock: str, python: Interpreter, target: Path, registry: RegistryConfig | None
    ) -> None:
        """Install a hashed lock below `target` (its directory `packages`), compiled."""
        words = ["install", "--target", "/work/packages", "--requirement", "/work/lock.txt"]
        words += ["--require-hashes", "--no-deps", "--link-mode", "copy", *self._binary_only()]
        (target / "lock.txt").write_text(lock)
        (target / "packages").mkdir()
        self._uv(words, python, target, registry)
        compile_words = ("-I", "-S", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode")
        run_tool(
            ToolRun(
                (python.executable, *compile_words, "unchecked-hash", "/work/packages"),
                python.root,
                # As the Function will see it: the path is kept in the compiled files' tracebacks.
                writable=((target, "/work"),),
            )
        )

    def compile_package_lock(self, package: str, registry: RegistryConfig | None) -> str:
        """Resolve a package.json to a package-lock.json."""
        with _work() as work:
            place = Path(work)
            (place / "package.json").write_text(package)
            self._npm(["install", "--package-lock-only"], place, registry)
            return (place / "package-lock.json").read_text()

    def install_package_lock(
        self, package: str, lock: str, target: Path, registry: RegistryConfig | None
    ) -> None:
        """Install a package-lock.json below `target` (its directory `node_modules`)."""
        (target / "package.json").write_text(package)
        (target / "package-lock.json").write_text(lock)
        self._npm(["ci", "--omit", "dev"], target, registry)

    def _binary_only(self) -> list[str]:
        return [] if self.allow_source_builds else ["--only-binary", ":all:"]

    def _uv(
        self, words: list[str], python: Interpreter, work: Path, registry: RegistryConfig | None
    ) -> None:
        short = ".".join(python.version.split(".")[:2])
        argv = (f"{_UV}/uv", "pip", *words, "--python", python.executable)
        argv += ("--python-version", short, "--no-python-downloads", "--quiet")
        program = (Path(uv_program()), f"{_UV}/uv")
        # ATTACK: an image's interpreter runs beside uv and could write into the cache of others.
        shared = registry is None and not python.is_foreign
        with self._cache("uv", shared=shared) as cache:
            done = self._run(argv, python.root, (work, cache), uv_access(registry), program)
        _require("uv", done, registry)

    def _npm(self, words: list[str], work: Path, registry: RegistryConfig | None) -> None:
        argv = (PROGRAM, f"{_NPM}/bin/npm-cli.js", *words, "--ignore-scripts", "--no-audit")
        program, access = (npm_directory(), _NPM), npm_access(registry)
        with self._cache("npm", shared=registry is None) as cache:
            done = self._run(argv, self.npm_root(), (work, cache), access, program)
        _require("npm", done, registry)

    @contextmanager
    def _cache(self, tool: str, *, shared: bool) -> Iterator[Path]:
        # ATTACK: a cache knows what was fetched but not with whose password; a namespace without
        # the right one would be served from it. tests/e2e/test_private_registry.py
        if shared:
            place = self.cache_dir / tool
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            yield place
            return
        with _work() as name:
            yield Path(name)

    def _run(
        self,
        argv: tuple[str, ...],
        root: RootView,
        places: tuple[Path, Path],
        access: Access,
        program: tuple[Path, str],
    ) -> ToolResult:
        work, cache = places
        try:
            return run_tool(
                ToolRun(
                    argv,
                    root,
                    read_only=(program, *access.read_only),
                    writable=((work, "/work"), (cache, "/cache")),
                    private_files=access.private_files,
                    environment={**access.environment, "UV_CACHE_DIR": "/cache"},
                    destinations=access.destinations,
                    timeout_seconds=self.timeout_seconds,
                    write_limits=self.write_limits,
                    directory="/work",
                )
            )
        except ToolTimeout as error:
            raise RegistryUnreachable(error.message) from error
        except ToolWroteTooMuch as error:
            _remove_half_unpacked(cache)
            raise DependencyError(f"the packages are too large: {error.message}") from error


def _require(tool: str, done: ToolResult, registry: RegistryConfig | None) -> None:
    if done.code != 0 and done.refused:
        raise DependencyError(
            f"the package registry sent {tool} to {', '.join(done.refused[:3])}, which no setting "
            "of this machine or of the namespace names",
            hint="if it belongs to the registry: CASEMATE_PACKAGE_HOSTS=HOST[:PORT],...",
        )
    if done.code != 0:
        raise from_tool(tool, registry.hide(done.stderr) if registry else done.stderr)


def _remove_half_unpacked(cache: Path) -> None:
    """Remove what a killed uv or npm was unpacking; what other runs use has its final name."""
    for place in (*cache.glob(".tmp*"), *cache.glob("*/.tmp*"), *cache.glob("_cacache/tmp/*")):
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)


def _work() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f"casemate-work-{os.getpid()}-")
