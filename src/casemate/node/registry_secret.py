"""The Secret that names a private package registry: read strictly, and never shown.

Kyma's form: the keys `.npmrc` and `pip.conf`. Of both files only what says where a registry is and
who asks is taken over; any other setting (scripts, proxies, paths, a program to run) would give the
author of a Secret a hand on the tool, and is left out. What must not be seen is known here, so that
`hide` can take it out of whatever a tool says.
"""

from __future__ import annotations

import base64
import binascii
import configparser
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from casemate.api.catalogue import Language
from casemate.errors import InvalidInput

_LONGEST_FILE = 64 * 1024
_HIDDEN = "***"
_PLACE = re.compile(r"(?i)(@[a-z0-9._~-]+:)?registry")
_CREDENTIAL = re.compile(r"(?i)(//[^\s]+:)?(_auth|_authtoken|_password|username|email|always-auth)")
_NEVER_SHOWN = re.compile(r"(?i)(^|:)(_auth|_authtoken|_password)$")
_USER_INFO = re.compile(r"//([^/@\s]+)@")


class InvalidRegistryConfig(InvalidInput):
    """The Secret that names a private registry cannot be used."""

    code = "InvalidRegistryConfig"


class PipIndexes(NamedTuple):
    """What a pip.conf says; addresses with their credentials."""

    default: str | None
    extra: tuple[str, ...]


@dataclass(frozen=True)
class RegistryConfig:
    """The content of a Function's registry Secret; never shown."""

    npmrc: str = field(default="", repr=False)
    pip_conf: str = field(default="", repr=False)

    @classmethod
    def from_secret(cls, data: Mapping[str, bytes]) -> RegistryConfig:
        """Take `.npmrc` and `pip.conf` out of a Secret's decoded data.

        Raises InvalidRegistryConfig, in words that quote nothing of them.
        """
        texts = {}
        for name in (".npmrc", "pip.conf"):
            content = data.get(name, b"")
            try:
                texts[name] = content.decode()
            except UnicodeDecodeError:
                raise InvalidRegistryConfig(f"{name} is not text") from None
            if len(content) > _LONGEST_FILE or "\0" in texts[name]:
                raise InvalidRegistryConfig(f"{name} is larger than 64 KiB or binary")
        return cls(npmrc=texts[".npmrc"], pip_conf=texts["pip.conf"])

    def concerning(self, language: Language) -> RegistryConfig | None:
        """Return the part that a language's tool reads, None when there is none."""
        if language is Language.PYTHON:
            return RegistryConfig(pip_conf=self.pip_conf) if self.pip_conf.strip() else None
        return RegistryConfig(npmrc=self.npmrc) if self.npmrc.strip() else None

    def fingerprint(self, key: bytes) -> str:
        """Return a name for exactly this content, which says nothing to who lacks `key`."""
        # ATTACK: without the password in it, a namespace with a wrong password would be answered
        # from what another one resolved; with it in a plain digest, the password could be guessed.
        # tests/unit/node/test_layers.py::test_another_password_is_another_question
        text = f"{len(self.npmrc)}\n{self.npmrc}{self.pip_conf}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def hide(self, text: str) -> str:
        """Take every password, token and encoded form of them out of a tool's words."""
        for secret in sorted(set(_secrets(self)), key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return text


def npm_settings(npmrc: str, *, credentials: bool) -> tuple[str, ...]:
    """Return the lines of an .npmrc that name registries and, if wanted, who asks them.

    Raises InvalidRegistryConfig.
    """
    lines = []
    for raw in npmrc.splitlines():
        key, equals, value = (part.strip() for part in raw.partition("="))
        if not equals or not (_PLACE.fullmatch(key) or _is_credential(key, wanted=credentials)):
            continue
        # ATTACK: npm puts variables into values; the machine's proxy password would go to the
        # registry's owner. tests/unit/node/test_registry_secret.py
        if "${" in value:
            raise InvalidRegistryConfig(
                ".npmrc refers to a variable of the environment", hint="write the value itself"
            )
        lines.append(f"{key}={value}")
    return tuple(lines)


def pip_indexes(pip_conf: str) -> PipIndexes:
    """Return the indexes of a pip.conf; raises InvalidRegistryConfig."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(pip_conf)
    except configparser.Error:
        # The parser's own message quotes the line, which holds the password.
        raise InvalidRegistryConfig("pip.conf cannot be read") from None
    section = parser["global"] if parser.has_section("global") else {}
    default = section.get("index-url", "").split()
    extra = section.get("extra-index-url", "").split()
    for address in (*default, *extra):
        parts = _split(address)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidRegistryConfig("pip.conf names an index that is no http(s) address")
    if not default and not extra:
        raise InvalidRegistryConfig(
            "pip.conf names no index", hint="set index-url or extra-index-url below [global]"
        )
    return PipIndexes(default[0] if default else None, tuple(extra))


def _is_credential(key: str, *, wanted: bool) -> bool:
    return wanted and _CREDENTIAL.fullmatch(key) is not None


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address) if address.isprintable() else None
    except ValueError:
        return None


def _secrets(config: RegistryConfig) -> Iterator[str]:
    for line in config.npmrc.splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if value and _NEVER_SHOWN.search(key):
            yield value.strip("\"'")
            yield from _decoded(value.strip("\"'"))
    for text in (config.npmrc, config.pip_conf):
        for match in _USER_INFO.findall(text):
            yield from _forms(match)


def _decoded(value: str) -> Iterator[str]:
    try:
        plain = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    if plain:
        yield from _forms(plain)


def _forms(pair: str) -> Iterator[str]:
    """Yield a `user:password` or a lone token as it is written, plain, and as HTTP sends it."""
    user, colon, word = pair.partition(":")
    secret = word if colon else user
    plain = unquote(secret)
    yield from (each for each in (secret, plain) if each)
    for whole in (pair, f"{unquote(user)}:{plain}" if colon else f"{plain}:"):
        yield base64.b64encode(whole.encode()).decode()
