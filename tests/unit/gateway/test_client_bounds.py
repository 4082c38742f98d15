"""What one caller can make the gateway hold, and for how long."""

from __future__ import annotations

import time

import pytest

from support.gateway_process import GatewayProcess, a_route, fresh_token, read_all, statuses
from support.instance import Instance, Seen, Wire

HEAD = b"GET /default/hello HTTP/1.1\r\nHost: localhost\r\n"


def seconds_until_closed(tight: GatewayProcess, *pieces: bytes) -> tuple[float, list[int]]:
    started = time.monotonic()
    with tight.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        received = read_all(connection)
    return time.monotonic() - started, statuses(received)


def publish(door: GatewayProcess, instance: Instance, **changes: object) -> None:
    door.publish(a_route(sockets=[str(instance.path)], public=True, **changes))


def test_head_sent_a_byte_at_a_time_is_cut_off(tight: GatewayProcess) -> None:
    tight.publish()
    started = time.monotonic()
    with tight.connect() as connection:
        received = b""
        try:
            for byte in HEAD * 10:
                connection.sendall(bytes((byte,)))
                time.sleep(0.03)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received += read_all(connection)

    assert time.monotonic() - started < 3
    assert statuses(received) in ([408], [])


@pytest.mark.parametrize("start", [b"G", HEAD, HEAD + b"x"])
def test_unfinished_head_is_408(tight: GatewayProcess, start: bytes) -> None:
    tight.publish()

    seconds, answers = seconds_until_closed(tight, start)

    assert answers == [408]
    assert 0.4 < seconds < 2


def test_unfinished_head_behind_an_answer_is_408(tight: GatewayProcess, instance: Instance) -> None:
    publish(tight, instance)

    _, answers = seconds_until_closed(tight, HEAD + b"\r\n" + HEAD)

    assert answers == [200, 408]


def test_idle_connection_is_closed_without_a_word(tight: GatewayProcess) -> None:
    tight.publish()

    seconds, answers = seconds_until_closed(tight)

    assert answers == []
    assert 0.9 < seconds < 2.5


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_body_that_stops_coming_is_408(
    tight: GatewayProcess, instance: Instance, framing: bytes
) -> None:
    publish(tight, instance)

    seconds, answers = seconds_until_closed(
        tight, HEAD.replace(b"GET", b"POST") + framing + b"\r\n\r\n", b"5\r\nabcde\r\n"
    )

    assert answers == [408]
    assert seconds < 2.5


def test_caller_that_does_not_read_is_dropped(tight: GatewayProcess, instance: Instance) -> None:
    async def flood(_seen: Seen, wire: Wire) -> None:
        await wire.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        for _ in range(1000):
            await wire.raw(b"x" * 100_000)

    instance.behave = flood
    publish(tight, instance)
    with tight.connect() as connection:
        connection.sendall(HEAD + b"\r\n")
        deadline = time.monotonic() + 5
        while not instance.closed and time.monotonic() < deadline:
            time.sleep(0.05)

    assert instance.closed == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEAD + b"x: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (HEAD + b"x: y\r\n" * 101 + b"\r\n", 431),
        (HEAD + b"y" * 600_000, 431),
        (HEAD.replace(b"hello", b"hello/" + b"a" * 9000) + b"\r\n", 414),
    ],
    ids=["long value", "many fields", "no end", "long address"],
)
def test_oversized_head_is_refused(door: GatewayProcess, request_bytes: bytes, status: int) -> None:
    door.publish()

    assert statuses(door.raw(request_bytes)) == [status]


def test_framing_without_content_is_cut_off(door: GatewayProcess, instance: Instance) -> None:
    publish(door, instance)
    request = HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n1;"

    with door.connect() as connection:
        connection.sendall(request)
        try:
            for _ in range(200):
                connection.sendall(b"a" * 10_000)
                time.sleep(0.001)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = read_all(connection)

    assert statuses(received) in ([400], [])
    assert door.ask(token=None).status == 200


def test_thousands_of_refusals_in_one_packet_are_answered_one_by_one(door: GatewayProcess) -> None:
    door.publish()
    request = b"GET /a/b HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /a/b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    received = door.raw(request * 5000 + last)

    assert statuses(received) == [401] * 5001


def test_connections_over_the_cap_are_told_so(tight: GatewayProcess) -> None:
    tight.publish()
    time.sleep(0.2)
    held = [tight.connect() for _ in range(20)]
    try:
        time.sleep(0.1)
        received = tight.raw(b"")
    finally:
        for connection in held:
            connection.close()

    assert statuses(received) == [503]
    assert b"TooManyConnections" in received


def test_refusal_reaches_a_caller_in_the_middle_of_its_body(door: GatewayProcess) -> None:
    door.publish()
    with door.connect() as connection:
        connection.sendall(HEAD.replace(b"GET", b"POST") + b"Content-Length: 1000000\r\n\r\n")
        try:
            for _ in range(100):
                connection.sendall(b"x" * 10_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = read_all(connection)

    assert statuses(received) == [401]


def test_a_thousand_idle_connections_do_no_harm(door: GatewayProcess, instance: Instance) -> None:
    door.publish(a_route(sockets=[str(instance.path)]))
    held = [door.connect() for _ in range(1000)]
    try:
        started = time.monotonic()
        reply = door.ask(token=fresh_token())
        seconds = time.monotonic() - started
    finally:
        for connection in held:
            connection.close()

    assert reply.status == 200
    assert seconds < 1
