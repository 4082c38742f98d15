"""`casemate service install|uninstall|show`: the engine as a service of systemd.

The unit leaves the engine what it needs to make sandboxes (namespaces, control groups delegated to
it) and takes the rest away. Nothing but the unit's file is written; systemd is asked to read it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from casemate.cli.serve import engine_arguments, engine_options
from casemate.errors import InvalidInput, Unavailable

UNIT_NAME = "casemate.service"
_TEMPLATE = """\
[Unit]
Description=Casemate, Functions that are safe by default
After=network.target

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=2
# A whole subtree of control groups is the engine's own: each sandbox gets its limits there.
Delegate=cpu memory pids
KillMode=mixed
TimeoutStopSec=90
UMask=0077
LimitNOFILE=65536

[Install]
WantedBy={target}
"""


@click.group("service")
def command() -> None:
    """The engine as a service of systemd: started with the machine, or with this user."""


@command.command("show")
@engine_options
def show(**options: object) -> int:
    """Print the unit file that `install` would write."""
    sys.stdout.write(unit_text(engine_arguments(options), as_root=os.geteuid() == 0))
    return 0


@command.command("install")
@engine_options
def install(**options: object) -> int:
    """Write the unit file, and start the service with systemd if it runs here."""
    as_root = os.geteuid() == 0
    path = unit_path(as_root=as_root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(unit_text(engine_arguments(options), as_root=as_root), encoding="utf-8")
    sys.stderr.write(f"wrote    {path}\n")
    words = _systemctl(as_root=as_root)
    if words is None:
        sys.stderr.write(f"next     where systemd runs: systemctl enable --now {UNIT_NAME}\n")
        return 0
    for action in (["daemon-reload"], ["enable", "--now", UNIT_NAME]):
        _run([*words, *action])
    sys.stderr.write("next     casemate status\n")
    return 0


@command.command("uninstall")
def uninstall() -> int:
    """Stop the service and remove its unit file; what was applied stays in the data directory."""
    as_root = os.geteuid() == 0
    path, words = unit_path(as_root=as_root), _systemctl(as_root=as_root)
    if not path.exists():
        sys.stderr.write(f"there is no {path}\n")
        return 0
    if words is not None:
        _run([*words, "disable", "--now", UNIT_NAME])
    path.unlink()
    if words is not None:
        _run([*words, "daemon-reload"])
    sys.stderr.write(f"removed  {path}\n")
    return 0


def unit_path(*, as_root: bool) -> Path:
    """Return where systemd looks for the unit of the machine (root) or of this user."""
    if as_root:
        return Path("/etc/systemd/system") / UNIT_NAME
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "systemd" / "user" / UNIT_NAME


def unit_text(arguments: list[str], *, as_root: bool) -> str:
    """Return the unit; raises InvalidInput for a path that a unit file cannot hold."""
    words = [sys.executable, "-I", "-m", "casemate.cli.main", "serve", *arguments]
    target = "multi-user.target" if as_root else "default.target"
    return _TEMPLATE.format(command=" ".join(map(_quoted, words)), target=target)


def _quoted(word: str) -> str:
    # ATTACK: systemd reads %, $ and quotes in a command line; a directory's name must stay one
    # word and a name. tests/unit/cli/test_service.py
    if not word.isprintable():
        raise InvalidInput(f"{word!r} cannot stand in a unit file", hint="choose another path")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _systemctl(*, as_root: bool) -> list[str] | None:
    """Return how to speak to the running systemd, None where none runs."""
    program = shutil.which("systemctl")
    if program is None or not Path("/run/systemd/system").is_dir():
        return None
    return [program] if as_root else [program, "--user"]


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(words[1:])} failed: {done.stderr.strip()[:400]}")
