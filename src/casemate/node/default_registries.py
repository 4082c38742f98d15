"""Where uv and npm go when nothing names a registry, as pip and npm themselves have it.

Nothing of ours lists hosts of the world outside: the tools that a machine has know their defaults,
and one that cannot be read adds none, so that what is reached is never more than they would ask.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

from casemate.node.node_view import npm_directory

_PIP_INDEX = Path("_internal/models/index.py")
_NPM_SETTINGS = Path("node_modules/@npmcli/config/lib/definitions/definitions.js")
# The public index alone: the one for trials that stands beside it is nobody's default.
_PIP = re.compile(r'\bPyPI = PackageIndex\(\s*"(https://[^"]+)",\s*file_storage_domain="([^"]+)"')
_NPM = re.compile(r"default: '(https://registry\.[^']+)'")


class DefaultRegistry(NamedTuple):
    """An address, and the host where it is known to keep files (empty: its own)."""

    url: str
    files_host: str = ""


@functools.cache
def default_registries() -> tuple[DefaultRegistry, ...]:
    """Return the public registries of both tools."""
    found = [DefaultRegistry(url, host) for url, host in _PIP.findall(_pip_text())]
    found += [DefaultRegistry(url) for url in _NPM.findall(_npm_text())]
    return tuple(found)


def _pip_text() -> str:
    spec = importlib.util.find_spec("pip")
    places = spec.submodule_search_locations if spec is not None else None
    return _text(Path(places[0]) / _PIP_INDEX) if places else ""


def _npm_text() -> str:
    return _text(npm_directory() / _NPM_SETTINGS)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
