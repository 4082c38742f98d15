"""Asks an interpreter what it is, by running it; a name in a path proves nothing.

Only programs that no stranger could have replaced are run, with an empty environment, isolated from
the user's site directories, and for a bounded time. Anything odd means "not a candidate".
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 10
_PYTHON_QUESTION = """
import json, sys, sysconfig
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "final": sys.version_info[3] == "final",
    "program": sys.executable,
    "base_prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
    "dynload": sysconfig.get_config_var("DESTSHARED") or "",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """What an interpreter said about itself."""

    version: str
    program: Path
    standard_library: Path | None = None
    dynload: Path | None = None


def machine_arch() -> str:
    """Return this machine's architecture in Node's words: x64 or arm64."""
    machine = sysconfig.get_platform().rpartition("-")[2]
    return {"x86_64": "x64", "aarch64": "arm64"}.get(machine, machine)


def is_trusted_program(path: Path) -> bool:
    """Tell whether only root or we ourselves could have written this program."""
    try:
        status = path.stat()
    except OSError:
        return False
    # ATTACK: a directory of PATH that others may write to offers its own `python3.12`.
    # tests/unit/node/test_probe.py::test_a_program_that_others_can_write_is_not_run
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid in {0, os.geteuid()}
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        and os.access(path, os.X_OK)
    )


def probe_python(path: Path) -> Probe | None:
    """Run a Python; nothing when it is no final CPython with a GIL."""
    answer = _ask([str(path), "-I", "-S", "-c", _PYTHON_QUESTION], path)
    try:
        said = json.loads(answer)
        program, library = Path(said["program"]).resolve(), Path(said["stdlib"])
        usable = said["implementation"] == "cpython" and said["final"] and not said["free_threaded"]
    except (ValueError, KeyError, TypeError):
        return None
    if not usable or not is_trusted_program(program) or not (library / "os.py").is_file():
        return None
    dynload = Path(said["dynload"] or library / "lib-dynload")
    return Probe(said["version"], program, library, dynload if dynload.is_dir() else library)


def probe_node(path: Path) -> Probe | None:
    """Run a Node; nothing when it does not answer as one."""
    answer = _ask([str(path), "--version"], path).strip()
    numbers = answer.removeprefix("v").split(".")
    if not answer.startswith("v") or len(numbers) != 3 or not all(n.isdigit() for n in numbers):  # noqa: PLR2004
        return None
    return Probe(".".join(numbers), path.resolve())


def _ask(argv: list[str], path: Path) -> str:
    if not is_trusted_program(path):
        return ""
    try:
        answer = subprocess.run(  # noqa: S603  # a list; the program was checked above
            argv, capture_output=True, env=_environment(), cwd="/", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else ""


def _environment() -> dict[str, str]:
    # pyenv's shims are scripts that look these up.
    kept = ("HOME", "PATH", "PYENV_ROOT")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
