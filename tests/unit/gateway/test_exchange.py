from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import time
from pathlib import Path

import pytest

from support.gateway_process import (
    GatewayProcess,
    a_route,
    fresh_token,
    read_all,
    statuses,
)
from support.instance import Instance, Seen, Wire

BIG = 64 * 1024 * 1024


def publish(door: GatewayProcess, instance: Instance, **changes: object) -> None:
    door.publish(a_route(sockets=[str(instance.path)], **changes))


def head_of(method: str = "GET", *lines: str, path: str = "/default/hello") -> bytes:
    fields = ["Host: localhost", f"Authorization: Bearer {fresh_token()}", *lines]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *fields, "", ""]).encode()


def resident_bytes(door: GatewayProcess) -> int:
    status = Path(f"/proc/{door.process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]


def test_function_sees_the_rest_of_the_path_and_who_calls(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance)

    reply = door.ask("/default/hello/a/b?c=d", headers={"X-Request-Id": "mine-1", "Ce-Type": "t"})

    seen = instance.seen[0]
    assert reply.status == 200
    assert seen.line == "GET /a/b?c=d HTTP/1.1"
    assert seen.values("x-casemate-principal") == ["alice"]
    assert seen.values("x-casemate-issuer") == ["http://127.0.0.1:8088"]
    assert seen.values("x-request-id") == [reply.headers["x-request-id"]]
    assert seen.values("x-caller-request-id") == ["mine-1"]
    assert seen.values("x-forwarded-for") == ["127.0.0.1"]
    assert seen.values("x-forwarded-host") == [f"127.0.0.1:{door.port}"]
    assert seen.values("ce-type") == ["t"]


def test_callers_token_is_not_passed_on(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)

    door.ask()

    assert not instance.seen[0].values("authorization")


def test_caller_cannot_forge_identity_or_origin(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance, public=True)
    forged = {
        "X-Casemate-Principal": "root",
        "x_casemate_principal": "root",
        "X-Casemate-Issuer": "evil",
        "X-Forwarded-For": "10.0.0.1",
        "X_Forwarded_For": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "X-Real-Ip": "10.0.0.1",
        "Connection": "x-forwarded-for, x-request-id, x-dropped",
        "X-Dropped": "1",
        "Proxy-Authorization": "x",
        "TE": "trailers",
    }

    door.ask(token=None, headers=forged)

    text = repr(instance.seen[0].headers).lower()
    assert "root" not in text
    assert "evil" not in text
    assert "10.0.0.1" not in text
    assert instance.seen[0].values("x-forwarded-for") == ["127.0.0.1"]
    assert len(instance.seen[0].values("x-request-id")) == 1
    assert not {"connection", "te", "x-dropped", "proxy-authorization", "x-real-ip"} & {
        name for name, _ in instance.seen[0].headers
    }


def test_host_can_name_the_function(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)

    reply = door.ask("/x?y", headers={"Host": f"hello.default.localhost:{door.port}"})

    assert reply.status == 200
    assert instance.seen[0].line == "GET /x?y HTTP/1.1"


@pytest.mark.parametrize("name", ["hello", "unknown"])
def test_without_a_token_every_function_answers_401(
    door: GatewayProcess, instance: Instance, name: str
) -> None:
    publish(door, instance)

    reply = door.ask(f"/default/{name}", token=None)

    assert (reply.status, reply.problem["code"]) == (401, "Unauthenticated")
    assert reply.headers["www-authenticate"] == 'Bearer realm="casemate"'
    assert reply.problem["request_id"] == reply.headers["x-request-id"]
    assert not instance.seen


@pytest.mark.parametrize("name", ["hello", "unknown"])
def test_token_of_another_function_is_403_whether_this_one_exists_or_not(
    door: GatewayProcess, instance: Instance, name: str
) -> None:
    publish(door, instance)

    reply = door.ask(f"/default/{name}", token=fresh_token("other"))

    assert (reply.status, reply.problem["code"]) == (403, "WrongAudience")
    assert not instance.seen


def test_own_token_of_a_function_that_is_gone_is_404(door: GatewayProcess) -> None:
    door.publish()

    reply = door.ask("/default/gone", token=fresh_token("gone"))

    assert (reply.status, reply.problem["code"]) == (404, "NotFound")


@pytest.mark.parametrize(
    "token", ["rubbish", fresh_token(now=int(time.time()) - 601), fresh_token()[:-4] + "AAAA"]
)
@pytest.mark.parametrize("public", [True, False])
def test_bad_token_is_401_even_where_none_is_needed(
    door: GatewayProcess, instance: Instance, token: str, *, public: bool
) -> None:
    publish(door, instance, public=public)

    reply = door.ask(token=token)

    assert (reply.status, reply.problem["code"]) == (401, "InvalidToken")
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]
    assert not instance.seen


def test_two_authorization_fields_are_refused(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)

    received = door.raw(
        head_of("GET", f"Authorization: Bearer {fresh_token()}", "Connection: close")
    )

    assert statuses(received) == [400]


def test_method_that_the_function_does_not_take_is_405(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance, methods=["POST", "GET"])

    reply = door.ask(method="DELETE")

    assert reply.status == 405
    assert reply.headers["allow"] == "GET, POST"


def test_failed_function_says_why(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance, state="failed", reason="OOMKilled")

    reply = door.ask()

    assert reply.status == 503
    assert reply.problem["reason"] == "OOMKilled"
    assert reply.headers["retry-after"] == "5"


def test_body_over_the_limit_is_413_before_the_function_sees_it(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance, max_body_bytes=10)

    announced = door.ask(method="POST", body=b"x" * 11)
    chunked = door.ask(
        method="POST",
        body=iter([b"x" * 11]),
        headers={"Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )

    assert (announced.status, chunked.status) == (413, 413)
    assert door.ask(method="POST", body=b"x" * 10).status == 200
    assert [seen.body for seen in instance.seen if seen.body] == [b"x" * 10]


def test_chunked_body_that_grows_too_large_is_cut_off(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance, max_body_bytes=100_000)

    with door.connect() as connection:
        connection.sendall(head_of("POST", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        time.sleep(0.1)
        connection.sendall(b"30d40\r\n" + b"x" * 200_000 + b"\r\n")
        received = read_all(connection)

    assert statuses(received) == [413]


def test_body_streams_to_the_function_while_it_arrives(
    door: GatewayProcess, instance: Instance
) -> None:
    instance.reads_body_first = False

    async def answer_first_piece(_seen: Seen, wire: Wire) -> None:
        await wire.reader.readline()
        await wire.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await wire.raw(b"5\r\n" + await wire.reader.readexactly(5) + b"\r\n")
        await wire.reader.readuntil(b"0\r\n\r\n")
        await wire.raw(b"0\r\n\r\n")

    instance.behave = answer_first_piece
    publish(door, instance)
    with door.connect() as connection:
        connection.sendall(head_of("POST", "Transfer-Encoding: chunked") + b"5\r\nfirst\r\n")
        received = b""
        while b"first" not in received:
            received += connection.recv(4096)
        connection.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        received += read_all(connection)

    assert received.endswith(b"0\r\n\r\n")
    assert b"connection: close" in received


def test_answer_streams_to_the_caller_while_it_is_made(
    door: GatewayProcess, instance: Instance
) -> None:
    async def tick(_seen: Seen, wire: Wire) -> None:
        await wire.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\ntick-1\r\n")
        await asyncio.sleep(0.3)
        await wire.raw(b"6\r\ntick-2\r\n0\r\n\r\n")

    instance.behave = tick
    publish(door, instance)
    with door.connect() as connection:
        connection.sendall(head_of())
        first = b""
        while b"tick-1" not in first:
            first += connection.recv(4096)
        rest = connection.recv(4096)

    assert b"tick-2" not in first
    assert b"6\r\ntick-2\r\n" in rest


def test_large_bodies_pass_unchanged_both_ways(door: GatewayProcess, instance: Instance) -> None:
    async def echo(seen: Seen, wire: Wire) -> None:
        await wire.answer(seen.body)

    instance.behave = echo
    publish(door, instance, max_body_bytes=BIG)
    body = bytes(range(256)) * 20_000

    reply = door.ask(method="POST", body=body)

    assert reply.body == body


def test_slow_function_slows_the_caller_and_fills_no_memory(
    door: GatewayProcess, instance: Instance
) -> None:
    instance.reads_body_first = False

    async def never_read(_seen: Seen, _wire: Wire) -> None:
        await asyncio.sleep(30)

    instance.behave = never_read
    publish(door, instance, max_body_bytes=BIG, timeout_seconds=60)
    before = resident_bytes(door)
    with door.connect() as connection:
        connection.settimeout(0.5)
        connection.sendall(head_of("POST", f"Content-Length: {BIG}"))
        sent = 0
        try:
            while sent < BIG:
                sent += connection.send(b"x" * 65536)
        except TimeoutError:
            pass

        assert sent < 16 * 1024 * 1024
        assert resident_bytes(door) - before < 16 * 1024 * 1024


def test_slow_caller_slows_the_function_and_fills_no_memory(
    door: GatewayProcess, instance: Instance
) -> None:
    written = [0]

    async def flood(_seen: Seen, wire: Wire) -> None:
        await wire.raw(f"HTTP/1.1 200 OK\r\ncontent-length: {BIG}\r\n\r\n".encode())
        while written[0] < BIG:
            await wire.raw(b"x" * 65536)
            written[0] += 65536

    instance.behave = flood
    publish(door, instance)
    before = resident_bytes(door)
    with door.connect() as connection:
        connection.sendall(head_of())
        time.sleep(0.7)

        assert written[0] < 16 * 1024 * 1024
        assert resident_bytes(door) - before < 16 * 1024 * 1024

        received = 0
        while received < BIG:
            received += len(connection.recv(1 << 20))


def test_head_gets_the_length_and_no_body_and_the_connection_goes_on(
    door: GatewayProcess, instance: Instance
) -> None:
    async def as_servers_do(seen: Seen, wire: Wire) -> None:
        if seen.line.startswith("HEAD"):
            await wire.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        else:
            await wire.answer()

    instance.behave = as_servers_do
    publish(door, instance)

    received = door.raw(head_of("HEAD") + head_of("GET", "Connection: close"))

    assert statuses(received) == [200, 200]
    assert received.count(b"content-length: 5") == 2
    assert received.endswith(b"\r\n\r\nhello")
    assert instance.accepted == 1


def test_refused_head_has_no_body(door: GatewayProcess) -> None:
    door.publish()

    received = door.raw(b"HEAD /default/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert statuses(received) == [401]
    assert received.endswith(b"\r\n\r\n")


def test_no_content_and_not_modified_have_no_body(door: GatewayProcess, instance: Instance) -> None:
    async def by_path(seen: Seen, wire: Wire) -> None:
        await wire.raw(f"HTTP/1.1 {seen.line.split()[1][1:4]} X\r\netag: a\r\n\r\n".encode())

    instance.behave = by_path
    publish(door, instance)

    for status in (204, 304):
        reply = door.ask(f"/default/hello/{status}")

        assert (reply.status, reply.body) == (status, b"")
        assert "transfer-encoding" not in reply.headers


def test_answer_that_ends_with_the_connection_reaches_the_caller_chunked(
    door: GatewayProcess, instance: Instance
) -> None:
    async def until_close(_seen: Seen, wire: Wire) -> None:
        await wire.raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc")
        wire.writer.close()

    instance.behave = until_close
    publish(door, instance)

    reply = door.ask()

    assert reply.body == b"abc"
    assert reply.headers["transfer-encoding"] == "chunked"


def test_http10_caller_gets_a_body_that_ends_with_the_connection(
    door: GatewayProcess, instance: Instance
) -> None:
    async def chunked(_seen: Seen, wire: Wire) -> None:
        await wire.raw(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )

    instance.behave = chunked
    publish(door, instance)

    received = door.raw(head_of("GET", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert received.endswith(b"connection: close\r\n\r\nabc")


def test_expectation_is_met_when_the_request_is_let_through(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance)

    with door.connect() as connection:
        connection.sendall(head_of("POST", "Content-Length: 3", "Expect: 100-continue"))
        interim = connection.recv(4096)
        connection.sendall(b"abc")
        answer = connection.recv(4096)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert statuses(answer) == [200]
    assert instance.seen[0].body == b"abc"
    assert not instance.seen[0].values("expect")


def test_expecting_caller_is_refused_before_it_sends(door: GatewayProcess) -> None:
    door.publish()
    request = b"POST /a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: %b\r\n\r\n"

    assert statuses(door.raw(request % b"100-continue")) == [401]
    assert statuses(door.raw(request % b"200-ok")) == [417]


def test_early_answer_reaches_a_caller_that_still_sends(
    door: GatewayProcess, instance: Instance
) -> None:
    instance.reads_body_first = False

    async def refuse_early(_seen: Seen, wire: Wire) -> None:
        await wire.answer(b"no", "422 X")

    instance.behave = refuse_early
    publish(door, instance, max_body_bytes=BIG)

    with door.connect() as connection:
        connection.sendall(head_of("POST", "Content-Length: 1000000") + b"x" * 1000)
        received = read_all(connection)

    assert statuses(received) == [422]
    assert b"connection: close" in received
    assert received.endswith(b"no")


def test_caller_that_leaves_ends_the_work(door: GatewayProcess, instance: Instance) -> None:
    async def work(_seen: Seen, wire: Wire) -> None:
        await wire.reader.read()

    instance.behave = work
    publish(door, instance)
    with door.connect() as connection:
        connection.sendall(head_of())
        while not instance.seen:
            time.sleep(0.01)
    deadline = time.monotonic() + 5
    while not instance.closed and time.monotonic() < deadline:
        time.sleep(0.01)

    assert instance.closed == 1


def test_pipelined_requests_are_answered_in_order(door: GatewayProcess, instance: Instance) -> None:
    async def slow_first(seen: Seen, wire: Wire) -> None:
        if "/1" in seen.line:
            await asyncio.sleep(0.2)
        await wire.answer(seen.line.split()[1].encode())

    instance.behave = slow_first
    publish(door, instance)
    paths = ["/default/hello/1", "/default/hello/2", "/default/other", "/default/hello/3"]
    lines = [head_of("GET", path=path) for path in paths]

    received = door.raw(b"".join(lines[:-1]) + head_of("GET", "Connection: close", path=paths[-1]))

    assert statuses(received) == [200, 200, 403, 200]
    assert received.index(b"/1") < received.index(b"/2") < received.index(b"/3")


def test_connection_is_reused_in_both_directions(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)

    received = door.raw(head_of() * 20 + head_of("GET", "Connection: close"))

    assert statuses(received) == [200] * 21
    assert instance.accepted == 1


def test_websocket_is_passed_through_in_both_directions(
    door: GatewayProcess, instance: Instance
) -> None:
    async def switch(seen: Seen, wire: Wire) -> None:
        assert seen.values("connection") == ["upgrade"]
        await wire.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: x\r\n\r\nwelcome"
        )
        while piece := await wire.reader.read(100):
            await wire.raw(piece.upper())

    instance.behave = switch
    publish(door, instance)
    with door.connect() as connection:
        connection.sendall(head_of("GET", "Connection: Upgrade", "Upgrade: websocket") + b"early")
        received = b""
        while b"EARLY" not in received:
            received += connection.recv(4096)
        connection.sendall(b"later")
        while b"LATER" not in received:
            received += connection.recv(4096)

    assert statuses(received) == [101]
    assert b"Sec-WebSocket-Accept: x" in received
    assert b"\r\n\r\nwelcome" in received


def test_refused_websocket_is_ordinary_http(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")

    received = door.raw(head_of("GET", *upgrade) + head_of("GET", "Connection: close"))

    assert statuses(received) == [200, 200]


def test_other_upgrades_are_ignored_and_not_passed_on(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance)
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAAA")

    received = door.raw(head_of("GET", *upgrade) + head_of("GET", "Connection: close"))

    assert statuses(received) == [200, 200]
    assert not instance.seen[0].values("upgrade")


def test_websocket_ends_for_the_caller_when_the_instance_ends_it(
    door: GatewayProcess, instance: Instance
) -> None:
    async def switch_and_leave(_seen: Seen, wire: Wire) -> None:
        await wire.raw(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        wire.writer.close()

    instance.behave = switch_and_leave
    publish(door, instance)

    received = door.raw(head_of("GET", "Connection: Upgrade", "Upgrade: websocket"))

    assert statuses(received) == [101]


def test_access_log_has_no_query_and_no_token(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)
    token = fresh_token()

    reply = door.ask("/default/hello/logged?password=hunter2", token=token)

    request_id = reply.headers["x-request-id"]
    while request_id not in (log := door.log.read_text()):
        time.sleep(0.01)
    line = next(line for line in log.splitlines() if request_id in line)
    assert json.loads(line)["path"] == "/default/hello/logged"
    assert "hunter2" not in log
    assert token not in log


def test_truncated_answer_is_not_made_to_look_whole(
    door: GatewayProcess, instance: Instance
) -> None:
    async def die_midway(_seen: Seen, wire: Wire) -> None:
        await wire.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        wire.writer.close()

    instance.behave = die_midway
    publish(door, instance)

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        door.ask()


def test_requests_reach_nothing_before_the_first_snapshot(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "log") as fresh:
        reply = fresh.ask(token="x")

    assert (reply.status, reply.problem["code"]) == (503, "NotReady")


def test_foreign_host_is_misdirected(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance, public=True)

    assert door.ask(token=None, headers={"Host": "rebound.example"}).status == 421


def test_nagle_does_not_delay_small_answers(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)
    with door.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.monotonic()
        for _ in range(20):
            connection.sendall(head_of())
            connection.recv(4096)

    assert time.monotonic() - started < 0.6
