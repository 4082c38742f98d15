"""What uv and npm need to reach a registry: the machine's settings and a Function's credentials.

Settings of the machine (proxy, index address, own certificates) pass on by name. Credentials pass
only as files below the tool's home with mode 0600: never in arguments, never in a lock or layer.
A Secret in Kyma's form holds `.npmrc` or `pip.conf`; uv reads no pip.conf, so it is translated.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from casemate.errors import InvalidInput
from casemate.node.tool_sandbox import HOME

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_UV_NAMES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_NPM_NAMES = ("NPM_CONFIG_REGISTRY", "npm_config_registry")
_CREDENTIAL = re.compile(r"(?im)^.*(_auth|_password|token|username|password).*$")
_LONGEST_FILE = 64 * 1024


class InvalidRegistryConfig(InvalidInput):
    """The Secret that names a private registry cannot be used."""

    code = "InvalidRegistryConfig"


@dataclass(frozen=True)
class RegistryConfig:
    """The content of a Function's registry Secret; never shown."""

    npmrc: str = field(default="", repr=False)
    pip_conf: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """Return a digest of what is asked where, without the credentials."""
        # A digest over a password could be guessed from; passwords are left out.
        texts = f"{self.npmrc}\n{self.pip_conf}"
        plain = _CREDENTIAL.sub("", re.sub(r"//[^/@\s]*@", "//", texts))
        return hashlib.sha256(plain.encode()).hexdigest()

    @classmethod
    def from_secret(cls, data: Mapping[str, bytes]) -> RegistryConfig:
        """Take `.npmrc` and `pip.conf` out of a Secret's decoded data."""
        texts = {}
        for name in (".npmrc", "pip.conf"):
            content = data.get(name, b"")
            try:
                texts[name] = content.decode()
            except UnicodeDecodeError as error:
                raise InvalidRegistryConfig(f"{name} is not text") from error
            if len(content) > _LONGEST_FILE or "\0" in texts[name]:
                raise InvalidRegistryConfig(f"{name} is larger than 64 KiB or binary")
        return cls(npmrc=texts[".npmrc"], pip_conf=texts["pip.conf"])


@dataclass(frozen=True)
class Access:
    """What one run of a tool gets."""

    environment: Mapping[str, str]
    private_files: Mapping[str, bytes] = field(repr=False)
    read_only: tuple[tuple[Path, str], ...] = ()


def uv_access(config: RegistryConfig | None = None) -> Access:
    """Prepare uv's surroundings."""
    files = {}
    own = _first_file(
        Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv/uv.toml",
        Path("/etc/uv/uv.toml"),
    )
    toml = uv_config(config.pip_conf) if config and config.pip_conf else own
    if toml:
        files[".config/uv/uv.toml"] = toml
    environment = _kept(_UV_NAMES)
    if "PIP_INDEX_URL" in os.environ and not environment:
        environment["UV_DEFAULT_INDEX"] = os.environ["PIP_INDEX_URL"]
    # ATTACK: the machine's index settings would win over the file and send private names there.
    if config and config.pip_conf:
        environment = {}
    environment |= _kept(_PROXIES) | {"SSL_CERT_FILE": _BUNDLE, "UV_NO_PROGRESS": "1"}
    return Access(environment, files, _certificates("SSL_CERT_FILE"))


def npm_access(config: RegistryConfig | None = None) -> Access:
    """Prepare npm's surroundings; a Secret's .npmrc is put after the machine's, so it wins."""
    own = _first_file(Path(os.environ.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc"))
    text = own + (b"\n" + config.npmrc.encode() if config and config.npmrc else b"")
    environment = {} if config and config.npmrc else _kept(_NPM_NAMES)
    environment |= _kept(_PROXIES)
    environment |= {"NODE_EXTRA_CA_CERTS": _BUNDLE, "npm_config_userconfig": f"{HOME}/.npmrc"}
    environment |= {
        f"npm_config_{name}": value
        for name, value in {
            "audit": "false", "fund": "false", "update_notifier": "false", "progress": "false",
            "ignore_scripts": "true", "loglevel": "error", "cache": "/cache", "yes": "false",
            "omit_lockfile_registry_resolved": "true", "logs_max": "0",
        }.items()
    }  # fmt: skip
    return Access(environment, {".npmrc": text}, _certificates("NODE_EXTRA_CA_CERTS"))


def uv_config(pip_conf: str) -> bytes:
    """Translate a pip.conf to uv's own file; raises InvalidRegistryConfig."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(pip_conf)
    except configparser.Error as error:
        # The parser's own message quotes the line, which holds the password.
        raise InvalidRegistryConfig("pip.conf cannot be read") from error.__class__("syntax")
    section = parser["global"] if parser.has_section("global") else {}
    default = section.get("index-url", "").split()
    extra = section.get("extra-index-url", "").split()
    for address in (*default, *extra):
        if urlsplit(address).scheme not in {"http", "https"} or not urlsplit(address).hostname:
            raise InvalidRegistryConfig("pip.conf names an index that is no http(s) address")
    if not default and not extra:
        raise InvalidRegistryConfig(
            "pip.conf names no index", hint="set index-url or extra-index-url below [global]"
        )
    parts = [f"[[index]]\nurl = {json.dumps(address)}\n" for address in extra]
    parts += [f"[[index]]\nurl = {json.dumps(url)}\ndefault = true\n" for url in default[:1]]
    return "".join(parts).encode()


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
    given = Path(os.environ.get(name) or _BUNDLE)
    return ((given.resolve(), _BUNDLE),) if given.is_file() and given != Path(_BUNDLE) else ()
