"""Where an interpreter may already lie on this machine, in the order in which it is asked.

Managed by uv, on PATH, pyenv's versions, the system's own; for Node our wheel, PATH and nvm. Each
is run once (`probe`) and counts only when it says that it is the version wanted.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from casemate.api.catalogue import Language
from casemate.node.node_view import wheel_node
from casemate.node.probe import Probe, probe_node, probe_python
from casemate.node.runtime_errors import FetchFailed, safe_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casemate.api.catalogue import Runtime

_SECONDS = 300
_LIST_SECONDS = 20


def is_version(version: str, row: Runtime) -> bool:
    """Tell whether a full version belongs to the runtime: 3.12.1 to 3.12, never 3.120."""
    return f"{version}.".startswith(f"{row.version}.")


def candidates(row: Runtime, state_dir: Path) -> Iterator[tuple[str, Probe]]:
    """Yield (origin, probe) of every interpreter of the right version, each program once."""
    python = row.language is Language.PYTHON
    seen: set[Path] = set()
    for origin, path in (_pythons if python else _nodes)(row.version, state_dir):
        if not path.is_file() or path.resolve() in seen:
            continue
        seen.add(path.resolve())
        probe = probe_python(path) if python else probe_node(path)
        if probe is not None and is_version(probe.version, row):
            yield origin, probe


def _pythons(version: str, state_dir: Path) -> Iterator[tuple[str, Path]]:
    name = f"python{version}"
    for home in (uv_directory(state_dir), _home() / ".local/share/uv/python"):
        for path in _newest_first(home.glob(f"cpython-{version}.*")):
            yield "uv", path / "bin" / name
    for directory in os.get_exec_path():
        yield "path", Path(directory) / name
    pyenv = {os.environ.get("PYENV_ROOT") or str(_home() / ".pyenv"), str(_home() / ".pyenv")}
    for root in sorted(pyenv):
        for path in _newest_first(Path(root).glob(f"versions/{version}.*")):
            yield "pyenv", path / "bin" / name
    for directory in ("/usr/local/bin", "/usr/bin"):
        yield "system", Path(directory) / name
    for path in _known_to_uv(version):
        yield "uv", path


def _nodes(version: str, _state_dir: Path) -> Iterator[tuple[str, Path]]:
    wheel = wheel_node()
    if wheel is not None:
        yield "wheel", wheel
    for directory in os.get_exec_path():
        yield "path", Path(directory) / "node"
    nvm = Path(os.environ.get("NVM_DIR") or _home() / ".nvm")
    for path in _newest_first(nvm.glob(f"versions/node/v{version}.*")):
        yield "nvm", path / "bin/node"


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    def numbers(path: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in path.name.replace("-", ".").split(".") if part.isdigit())

    return sorted(paths, key=numbers, reverse=True)


def _home() -> Path:
    return Path(os.environ.get("HOME") or "/nonexistent")


def uv_directory(state_dir: Path) -> Path:
    """Return where uv puts the interpreters that it fetches for us."""
    return state_dir / "uv-python"


def uv_program() -> str:
    """Return the uv of our own dependencies."""
    from uv import find_uv_bin  # noqa: PLC0415  # only when something is to be asked of it

    return str(find_uv_bin())


def _known_to_uv(version: str) -> list[Path]:
    words = ["python", "list", version, "--only-installed", "--output-format", "json"]
    try:
        done = subprocess.run(  # noqa: S603  # a list of our own words
            [uv_program(), *words],
            capture_output=True, timeout=_LIST_SECONDS, check=False, cwd="/",
        )  # fmt: skip
        return [Path(row["path"]) for row in json.loads(done.stdout or b"[]")]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return []


def install_with_uv(version: str, state_dir: Path) -> Path:
    """Let uv fetch a Python (it checks the hash that it was built with); raises FetchFailed."""
    home = uv_directory(state_dir)
    words = ["python", "install", version, "--install-dir", str(home), "--no-bin"]
    # No second try: a network that is not there should say so at once, and Debian comes next.
    environment = {**os.environ, "UV_HTTP_RETRIES": "0", "UV_NO_PROGRESS": "1"}
    try:
        done = subprocess.run(  # noqa: S603  # a list of our own words
            [uv_program(), *words],
            capture_output=True, text=True, timeout=_SECONDS, check=False, cwd="/", env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchFailed("uv did not bring it in time") from error
    found = _newest_first(home.glob(f"cpython-{version}.*"))
    if done.returncode != 0 or not found:
        causes = done.stderr.splitlines()
        last = causes[-1] if causes else "no message"
        raise FetchFailed(f"uv: {safe_reason(last.replace('cause:', ''), 200)}")
    return found[0] / f"bin/python{version}"
