"""The routes the engine announced: immutable, swapped whole, refused whole when one is wrong.

A snapshot is the only thing the gateway believes about Functions, issuer and keys. A request sees
one table from its first byte to its verdict, so a reload can never mix two generations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from casemate.errors import InvalidInput
from casemate.identity.keys import KeySet

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LABEL = re.compile(LABEL + r"\Z")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DEFAULTS: dict[str, Any] = {
    "public": False,
    "reason": "",
    "concurrency": 20,
    "timeout_seconds": 180,
    "max_body_bytes": 1024 * 1024,
    "methods": None,
}
_REQUIRED = frozenset({"namespace", "name", "audience", "state", "sockets"})
DEFAULT_METHODS = frozenset(method.encode() for method in _METHODS)


class InvalidSnapshot(InvalidInput):
    """A snapshot that the gateway will not use; it keeps the last good one."""

    code: ClassVar[str] = "InvalidSnapshot"


class RouteState(StrEnum):
    """What the engine says of a Function's instances."""

    READY = "ready"
    IDLE = "idle"
    """Nothing runs; the engine starts an instance when a request asks for it."""
    STARTING = "starting"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Route:
    """One Function as the gateway needs to know it. `key` is `namespace/name`."""

    key: bytes
    audience: str
    public: bool
    state: RouteState
    reason: str
    sockets: tuple[str, ...]
    concurrency: int
    timeout_seconds: float
    max_body_bytes: int
    methods: frozenset[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class RouteTable:
    """One generation of everything: Functions, the issuer and its public keys."""

    generation: int
    issuer: str
    keys: KeySet
    by_key: Mapping[bytes, Route]


def parse_snapshot(line: bytes) -> RouteTable:
    """Read one snapshot line; raises InvalidSnapshot (or InvalidKeySet) rather than guess."""
    try:
        snapshot = json.loads(line)
    except ValueError as error:
        raise InvalidSnapshot("the snapshot is not JSON") from error
    expected = {"generation", "issuer", "jwks", "functions"}
    if not isinstance(snapshot, dict) or snapshot.keys() != expected:
        raise InvalidSnapshot("the snapshot needs generation, issuer, jwks, functions and no more")
    generation, issuer = snapshot["generation"], snapshot["issuer"]
    if type(generation) is not int or not isinstance(issuer, str):
        raise InvalidSnapshot("generation must be a number and issuer an address")
    if not (issuer.isascii() and issuer.isprintable() and issuer):
        # It is written into a header of every forwarded request.
        raise InvalidSnapshot("issuer must be printable ASCII")
    if not isinstance(snapshot["functions"], list):
        raise InvalidSnapshot("functions must be a list")
    routes = [_parse_route(member) for member in snapshot["functions"]]
    by_key = {route.key: route for route in routes}
    if len(by_key) != len(routes) or len({route.audience for route in routes}) != len(routes):
        raise InvalidSnapshot("two functions share a name or an audience")
    return RouteTable(generation, issuer, KeySet.parse(snapshot["jwks"]), by_key)


def _parse_route(member: Any) -> Route:
    if not isinstance(member, dict) or not member.keys() >= _REQUIRED:
        raise InvalidSnapshot(f"a function needs {', '.join(sorted(_REQUIRED))}")
    if not member.keys() <= _REQUIRED | _DEFAULTS.keys():
        raise InvalidSnapshot("a function has a field that this gateway does not know")
    given = _DEFAULTS | member
    namespace, name = given["namespace"], given["name"]
    for label in (namespace, name):
        if not isinstance(label, str) or _LABEL.match(label) is None:
            raise InvalidSnapshot("namespace and name must be DNS labels")
    where = f"function {namespace}/{name}"
    if type(given["public"]) is not bool:
        raise InvalidSnapshot(f"{where}: public must be true or false")
    for field in ("concurrency", "timeout_seconds", "max_body_bytes"):
        number = given[field]
        if type(number) not in {int, float} or number < (0 if field == "max_body_bytes" else 1):
            raise InvalidSnapshot(f"{where}: {field} is no usable number")
    if given["state"] not in {state.value for state in RouteState}:
        raise InvalidSnapshot(f"{where}: unknown state")
    return Route(
        key=f"{namespace}/{name}".encode(),
        audience=_text(given["audience"], f"{where}: audience"),
        public=given["public"],
        state=RouteState(given["state"]),
        reason=given["reason"] and _text(given["reason"], f"{where}: reason"),
        sockets=tuple(_text(path, f"{where}: socket") for path in given["sockets"]),
        concurrency=int(given["concurrency"]),
        timeout_seconds=float(given["timeout_seconds"]),
        max_body_bytes=int(given["max_body_bytes"]),
        methods=_parse_methods(given["methods"], where),
    )


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidSnapshot(f"{what} must be text")
    return value


def _parse_methods(methods: Any, where: str) -> frozenset[bytes]:
    if methods is None:
        return DEFAULT_METHODS
    if not isinstance(methods, list) or not set(methods) <= _METHODS:
        raise InvalidSnapshot(f"{where}: methods must be some of {', '.join(sorted(_METHODS))}")
    return frozenset(method.encode() for method in methods)
