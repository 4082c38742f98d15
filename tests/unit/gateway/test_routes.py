from __future__ import annotations

import json
from typing import Any

import pytest

from casemate.errors import CasemateError
from casemate.gateway.routes import DEFAULT_METHODS, RouteState, parse_snapshot
from support.gateway_process import a_route, a_snapshot


def parsed(snapshot: Any) -> Any:
    return parse_snapshot(json.dumps(snapshot).encode())


def test_snapshot_gives_routes_by_key_with_safe_defaults() -> None:
    table = parsed(a_snapshot(a_route("hello", sockets=["/s"]), generation=7))

    route = table.by_key[b"default/hello"]
    assert table.generation == 7
    assert (route.public, route.state, route.sockets) == (False, RouteState.READY, ("/s",))
    assert (route.concurrency, route.max_body_bytes) == (20, 1024 * 1024)
    assert route.methods == DEFAULT_METHODS


def test_methods_can_be_narrowed() -> None:
    table = parsed(a_snapshot(a_route("hello", methods=["POST"])))

    assert table.by_key[b"default/hello"].methods == {b"POST"}


@pytest.mark.parametrize(
    "snapshot",
    [
        b"{",
        [],
        a_snapshot(generation="1"),
        a_snapshot(generation=True),
        a_snapshot(issuer=""),
        a_snapshot(issuer=1),
        a_snapshot(issuer="http://a\r\nx: y"),
        a_snapshot(issuer="http://bücher"),
        a_snapshot(jwks={"keys": []}),
        a_snapshot(surprise=1),
        a_snapshot() | {"functions": {}},
        a_snapshot(a_route("a"), a_route("a")),
        a_snapshot(a_route("a"), a_route("b", audience=a_route("a")["audience"])),
        a_snapshot("text"),  # type: ignore[arg-type]
        a_snapshot({"name": "a"}),
        a_snapshot(a_route("a", surprise=1)),
        a_snapshot(a_route("A")),
        a_snapshot(a_route("a/b")),
        a_snapshot(a_route("a\n")),
        a_snapshot(a_route("a", namespace="")),
        a_snapshot(a_route("a", public="no")),
        a_snapshot(a_route("a", public=1)),
        a_snapshot(a_route("a", state="perhaps")),
        a_snapshot(a_route("a", concurrency=0)),
        a_snapshot(a_route("a", concurrency=True)),
        a_snapshot(a_route("a", timeout_seconds="5")),
        a_snapshot(a_route("a", max_body_bytes=-1)),
        a_snapshot(a_route("a", sockets=[1])),
        a_snapshot(a_route("a", sockets=[""])),
        a_snapshot(a_route("a", audience=None)),
        a_snapshot(a_route("a", reason=1)),
        a_snapshot(a_route("a", methods="GET")),
        a_snapshot(a_route("a", methods=["CONNECT"])),
    ],
)
def test_snapshot_that_is_not_fully_understood_is_refused_whole(snapshot: Any) -> None:
    line = snapshot if isinstance(snapshot, bytes) else json.dumps(snapshot).encode()

    with pytest.raises(CasemateError):
        parse_snapshot(line)
