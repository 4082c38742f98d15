"""Interpreters, base layers and command lines for tests of the Python runtime.

A base layer is built once per lock and version into the user's cache, outside the checkout, with
the same tool and options as the product's own layers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support.runtime_client import start_runtime

RUNTIME = Path(__file__).parents[2] / "src/casemate/runtimes/python"
PYENV = Path("/root/.pyenv/versions")


def interpreters() -> dict[str, str]:
    """Version -> path of the interpreters that are here; the tests' own comes first."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = {own: sys.executable}
    for version in ("3.12", "3.13", "3.14"):
        candidates = [shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")]
        if PYENV.is_dir():
            candidates += [str(p) for p in sorted(PYENV.glob(f"{version}.*/bin/python"))]
        usable = [path for path in candidates if path]
        if usable:
            found.setdefault(version, usable[-1])
    return found


def newest() -> str:
    return list(interpreters())[-1]


def base_layer(version: str, surface: str) -> Path:
    """The folder of the base layer for an interpreter; `surface` is `3.12` or `3.14`."""
    # The interpreter of the tests may be older than the runtimes: it takes the oldest lock.
    lock_version = surface if surface == "3.14" else max(version, "3.12", key=_number)
    lock = RUNTIME / f"base-{lock_version}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    layer = Path(home) / "casemate/test-layers" / f"{version}-{lock_version}-{digest}"
    if layer.is_dir():
        return layer
    layer.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=layer.parent))
    uv = Path(sys.executable).with_name("uv")
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--compile-bytecode"]
    subprocess.run(
        [
            *(uv, "pip", "install", *options),
            *("--python", interpreters()[version], "--target", building, "-r", lock),
        ],
        check=True,
        timeout=120,
    )
    try:
        building.rename(layer)
    except OSError:
        # Another test run was faster; its layer is the same.
        shutil.rmtree(building)
    return layer


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def python_command(version: str) -> list[str]:
    return [interpreters()[version], "-I", "-S", str(RUNTIME / "server.py")]


def start_python(handler, env=None, *, runtime="python312", version=None, files=None):
    """Start the Python server over one handler source; a context manager."""
    version = version or newest()
    surface = "3.14" if runtime == "python314" else "3.12"
    settings = {
        "FUNC_RUNTIME": runtime,
        "CASEMATE_BASE_DIR": str(base_layer(version, surface)),
        "CASEMATE_PACKAGES_DIR": "/nonexistent",
        **(env or {}),
    }
    return start_runtime(
        python_command(version), {"handler.py": handler, **(files or {})}, settings
    )
