"""What uv and npm need to reach a registry: the machine's settings and a Function's credentials.

Settings of the machine (index address, own certificates) pass on by name, and the registries that
they and the Secret name are all that the tool can reach. Credentials pass
only as files below the tool's home with mode 0600: never in arguments, never in a lock or layer.
Where a Function has a registry Secret, the machine's own credentials stay away from that run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from casemate.node.default_registries import default_registries
from casemate.node.package_hosts import Destination, registry_destinations
from casemate.node.registry_secret import PipIndexes, RegistryConfig, npm_settings, pip_indexes
from casemate.node.tool_sandbox import HOME

# A place of our own: an image's /etc may hold no such file, and may be read-only or a link.
_BUNDLE = f"{HOME}/ca-certificates.crt"
# Where Debian, Fedora, SUSE and Alpine keep it.
_MACHINES_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# Hosts that a registry sends its readers to, `host[:port]` with commas between.
_MORE_HOSTS = "CASEMATE_PACKAGE_HOSTS"
_UV_NAMES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_UV_DEFAULT_NAMES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_NPM_NAMES = ("NPM_CONFIG_REGISTRY", "npm_config_registry")


@dataclass(frozen=True)
class Access:
    """What one run of a tool gets."""

    environment: Mapping[str, str] = field(repr=False)
    private_files: Mapping[str, bytes] = field(repr=False)
    read_only: tuple[tuple[Path, str], ...] = ()
    destinations: frozenset[Destination] = frozenset()


def uv_access(config: RegistryConfig | None = None) -> Access:
    """Prepare uv's surroundings; raises InvalidRegistryConfig."""
    indexes = pip_indexes(config.pip_conf) if config and config.pip_conf else None
    if indexes is None:
        toml, environment = _machines_uv_file(), _kept(_UV_NAMES)
    else:
        # ATTACK: the machine's other indexes would be asked first, and learn private names. Its
        # default is asked last, for what the Secret's index does not have.
        # tests/unit/node/test_registry_access.py
        toml = uv_config(indexes)
        environment = {} if indexes.default else _kept(_UV_DEFAULT_NAMES)
    if "PIP_INDEX_URL" in os.environ and not environment and not (indexes and indexes.default):
        environment["UV_DEFAULT_INDEX"] = os.environ["PIP_INDEX_URL"]
    files = {".config/uv/uv.toml": toml} if toml else {}
    lent = _certificates("SSL_CERT_FILE")
    environment |= {"UV_NO_PROGRESS": "1"}
    environment |= {"SSL_CERT_FILE": _BUNDLE} if lent else {}
    return _access(environment, files, lent)


def npm_access(config: RegistryConfig | None = None) -> Access:
    """Prepare npm's surroundings; raises InvalidRegistryConfig."""
    own = _first_file(Path(os.environ.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc"))
    text, environment = own, _kept(_NPM_NAMES)
    if config and config.npmrc:
        lines = npm_settings(config.npmrc, credentials=True)
        # The machine's addresses first, so that the Secret's win; of its passwords none.
        machines = npm_settings(own.decode(errors="replace"), credentials=False)
        text = "".join(f"{line}\n" for line in (*machines, *lines)).encode()
        if any(line.startswith("registry=") for line in lines):
            # A variable would win over the file.
            environment = {}
    lent = _certificates("NODE_EXTRA_CA_CERTS")
    environment |= {"npm_config_userconfig": f"{HOME}/.npmrc"}
    environment |= {"NODE_EXTRA_CA_CERTS": _BUNDLE} if lent else {}
    environment |= {
        f"npm_config_{name}": value
        for name, value in {
            "audit": "false", "fund": "false", "update_notifier": "false", "progress": "false",
            "ignore_scripts": "true", "loglevel": "error", "cache": "/cache", "yes": "false",
            "omit_lockfile_registry_resolved": "true", "logs_max": "0",
        }.items()
    }  # fmt: skip
    return _access(environment, {".npmrc": text}, lent)


def uv_config(indexes: PipIndexes) -> bytes:
    """Write uv's own file, as it reads no pip.conf: extra indexes are asked first, as uv does."""
    # A JSON string without control characters is a TOML string too.
    rows = [(url, "") for url in indexes.extra]
    rows += [(indexes.default, "default = true\n")] if indexes.default else []
    parts = [
        f"[[index]]\nurl = {json.dumps(url, ensure_ascii=False)}\n{more}" for url, more in rows
    ]
    return "".join(parts).encode()


def _access(
    environment: dict[str, str], files: dict[str, bytes], lent: tuple[tuple[Path, str], ...]
) -> Access:
    more = [one.strip() for one in os.environ.get(_MORE_HOSTS, "").split(",") if one.strip()]
    destinations = registry_destinations(environment, files.values(), more, default_registries())
    return Access(environment, files, lent, destinations)


def _machines_uv_file() -> bytes:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return _first_file(home / "uv/uv.toml", Path("/etc/uv/uv.toml"))


def _kept(names: tuple[str, ...]) -> dict[str, str]:
    both = {*names, *(name.lower() for name in names)}
    return {name: value for name, value in os.environ.items() if name in both}


def _first_file(*paths: Path) -> bytes:
    for path in paths:
        try:
            return path.read_bytes()
        except OSError:
            continue
    return b""


def _certificates(name: str) -> tuple[tuple[Path, str], ...]:
    """Return the machine's bundle; without one both tools trust the roots that they bring."""
    for place in (os.environ.get(name), *_MACHINES_BUNDLES):
        if place and Path(place).is_file():
            return ((Path(place).resolve(), _BUNDLE),)
    return ()
