"""Where a request wants to go: the one reading of its host and path, or a refusal.

Policy, routing and the Function all act on the path that this module accepted, and it accepts only
paths that every known server reads alike: no dot segments, empty segments, encoded slashes,
backslashes or control characters, and nothing encoded twice. What passes is handed on as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from casemate.gateway.problems import (
    AMBIGUOUS_PATH,
    BAD_HOST,
    BAD_REQUEST,
    MISDIRECTED,
    NOT_FOUND,
    Problem,
)
from casemate.gateway.routes import LABEL

_LABEL = LABEL.encode()
# RFC 3986 pchar and slash; the query besides may hold what browsers leave unescaped there.
_PATH = re.compile(rb"/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*\Z")
_QUERY = re.compile(rb"[!-\"$-~]*\Z")
_PREFIX = re.compile(rb"/(" + _LABEL + rb"/" + _LABEL + rb")(?=/|\Z)")
# What nearly every request looks like, in one match: labels, then segments without an escape or a
# leading dot. Whatever it takes the whole examination below takes too, with the same outcome
# (tests/unit/gateway/test_targets.py).
_PLAIN = re.compile(
    rb"/(" + _LABEL + rb"/" + _LABEL + rb")"
    rb"((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?)(\?[!-\"$-~]*)?\Z"
)
_HOST = re.compile(rb"([a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?\Z")
_FUNCTION_HOST = re.compile(rb"(" + _LABEL + rb")\.(" + _LABEL + rb")\.localhost\Z")
_ESCAPE = re.compile(rb"%(.{0,2})", re.DOTALL)
_TWICE = re.compile(rb"%25[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SPECIAL_ESCAPES = frozenset({*range(0x20), 0x7F, *b"/\\"})
# ATTACK: a page whose name was rebound to the loopback address sends that name as its Host.
# tests/unit/gateway/test_targets.py
LOOPBACK_HOSTS = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


@dataclass(frozen=True, slots=True)
class Target:
    """A Function's key, and the request target that it will see."""

    key: bytes
    forwarded: bytes


@dataclass(frozen=True, slots=True)
class HostPlace:
    """What the Host header says: a Function (by `key`), or this gateway (`key` is empty)."""

    key: bytes


def place_host(host: bytes, hosts: frozenset[bytes]) -> HostPlace | Problem:
    """Read a Host header; `hosts` are the names besides loopback that the gateway goes by."""
    lowered = host.lower()
    match = _HOST.match(lowered)
    if match is None:
        return BAD_HOST
    name = match.group(1)
    if name in LOOPBACK_HOSTS or name in hosts:
        return HostPlace(b"")
    function = _FUNCTION_HOST.match(name)
    if function is None:
        return MISDIRECTED
    return HostPlace(function.group(2) + b"/" + function.group(1))


def locate(url: bytes, place: HostPlace) -> Target | Problem:
    """Find the Function in an origin-form request target; pure."""
    if not place.key:
        plain = _PLAIN.match(url)
        if plain is not None:
            key, rest, query = plain.groups(b"")
            return Target(key, (rest or b"/") + query)
    return _examine(url, place)


def _examine(url: bytes, place: HostPlace) -> Target | Problem:
    path, mark, query = url.partition(b"?")
    if path[:1] != b"/":
        # ATTACK: absolute-form lets the target name another host than the Host header does.
        # tests/conformance/http/test_smuggling.py
        return BAD_REQUEST
    if _PATH.match(path) is None or _QUERY.match(query) is None:
        return AMBIGUOUS_PATH
    if (b"%" in path or b"/." in path or b"//" in path) and normal_path(path) is None:
        return AMBIGUOUS_PATH
    if place.key:
        return Target(place.key, url)
    prefix = _PREFIX.match(path)
    if prefix is None:
        return AMBIGUOUS_PATH if b"%" in b"/".join(path.split(b"/", 3)[:3]) else NOT_FOUND
    rest = path[prefix.end() :] or b"/"
    return Target(prefix.group(1), rest + mark + query)


def normal_path(path: bytes) -> bytes | None:
    """Return the path with needless escapes decoded, or None when it has more than one reading."""
    normal = bytearray()
    position = 0
    for escape in _ESCAPE.finditer(path):
        try:
            value = int(escape.group(1), 16) if len(escape.group(1)) == 2 else -1  # noqa: PLR2004
        except ValueError:
            value = -1
        if value < 0 or value in _SPECIAL_ESCAPES or not escape.group(1).isalnum():
            return None
        normal += path[position : escape.start()]
        normal += bytes((value,)) if value in _UNRESERVED else escape.group(0).upper()
        position = escape.end()
    normal += path[position:]
    if _TWICE.search(normal):
        # ATTACK: %252e%252e is harmless to whoever decodes once and `..` to who decodes twice.
        # tests/unit/gateway/test_targets.py
        return None
    for segment in bytes(normal).split(b"/")[1:-1]:
        if segment.partition(b";")[0] in {b"", b".", b".."}:
            return None
    last = bytes(normal).rpartition(b"/")[2].partition(b";")[0]
    return None if last in {b".", b".."} else bytes(normal)
