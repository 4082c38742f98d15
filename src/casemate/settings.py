"""Typed settings of one process, read once from the environment.

Directories and switches only; what an installation decides about Functions stands in the
`Serverless` object instead. A switch that loosens something is named after the loosening and is
off by default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from casemate.errors import InvalidInput

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


class InvalidSetting(InvalidInput):
    """An environment variable of ours has a value that we cannot read."""

    code = "InvalidSetting"


@dataclass(frozen=True)
class Settings:
    """Where this process keeps things, and what was loosened on purpose."""

    state_dir: Path
    """Lasting: interpreters, layers, source trees, keys. CASEMATE_STATE_DIR."""
    cache_dir: Path
    """May be deleted at any time: package caches. CASEMATE_CACHE_DIR."""
    run_dir: Path
    """Lives as long as an engine: sockets, logs. CASEMATE_RUN_DIR."""
    allow_stale_suites: bool = False
    """Accept a Debian suite past its Valid-Until date. CASEMATE_ALLOW_STALE_SUITES."""


def read_settings(environment: dict[str, str] | None = None) -> Settings:
    """Read the settings; raises InvalidSetting for an unreadable switch or a relative path."""
    env = dict(os.environ) if environment is None else environment
    root = os.geteuid() == 0
    home = Path(env.get("HOME") or "/nonexistent")
    state, cache, run = (
        (Path("/var/lib/casemate"), Path("/var/cache/casemate"), Path("/run/casemate"))
        if root
        else (
            _xdg(env, "XDG_STATE_HOME", home / ".local/state"),
            _xdg(env, "XDG_CACHE_HOME", home / ".cache"),
            _user_run_dir(env),
        )
    )
    return Settings(
        state_dir=_directory(env, "CASEMATE_STATE_DIR", state),
        cache_dir=_directory(env, "CASEMATE_CACHE_DIR", cache),
        run_dir=_directory(env, "CASEMATE_RUN_DIR", run),
        allow_stale_suites=_switch(env, "CASEMATE_ALLOW_STALE_SUITES"),
    )


def _xdg(env: dict[str, str], name: str, fallback: Path) -> Path:
    return Path(env.get(name) or fallback) / "casemate"


def _user_run_dir(env: dict[str, str]) -> Path:
    given = env.get("XDG_RUNTIME_DIR")
    # The directory's owner and mode are checked where it is opened: /tmp is everybody's.
    return Path(given) / "casemate" if given else Path(f"/tmp/casemate-{os.geteuid()}")  # noqa: S108


def _directory(env: dict[str, str], name: str, fallback: Path) -> Path:
    path = Path(env.get(name) or fallback)
    if not path.is_absolute():
        raise InvalidSetting(f"{name} is {str(path)!r}, no absolute path", hint="start it with /")
    return path


def _switch(env: dict[str, str], name: str) -> bool:
    value = env.get(name, "").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InvalidSetting(f"{name} is {value!r}", hint="use 1 or 0")
