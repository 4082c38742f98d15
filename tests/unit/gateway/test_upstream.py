"""What an instance can answer, and what of it reaches a caller."""

from __future__ import annotations

import time

import pytest

from support.gateway_process import GatewayProcess, a_route, fresh_token, statuses
from support.instance import Instance, Seen, Wire


def answering(instance: Instance, answer: bytes, *, then_close: bool = False) -> None:
    async def behave(_seen: Seen, wire: Wire) -> None:
        await wire.raw(answer)
        if then_close:
            wire.writer.close()

    instance.behave = behave


def publish(door: GatewayProcess, instance: Instance) -> None:
    door.publish(a_route(sockets=[str(instance.path)]))


@pytest.mark.parametrize(
    "answer",
    [
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\nb: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: a\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"y" * 1000) * 70 + b"\r\n",
        b"HTTP/1.1 103 Early\r\n\r\n" * 20,
        b"HTTP/2 200\r\n\r\n",
    ],
    ids=range(10),
)
def test_answer_that_is_not_clean_http_is_502(
    door: GatewayProcess, instance: Instance, answer: bytes
) -> None:
    answering(instance, answer)
    publish(door, instance)

    reply = door.ask()

    assert (reply.status, reply.problem["code"]) == (502, "BadAnswer")


def test_second_answer_to_one_request_reaches_nobody(
    door: GatewayProcess, instance: Instance
) -> None:
    one = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
    answering(instance, one + b"abc" + one + b"bad")
    publish(door, instance)

    replies = [door.ask().body for _ in range(3)]

    assert replies == [b"abc"] * 3
    assert instance.accepted == 3


def test_body_of_an_answer_to_head_reaches_nobody(door: GatewayProcess, instance: Instance) -> None:
    answering(instance, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")
    publish(door, instance)

    replies = [door.ask(method=method) for method in ("HEAD", "HEAD", "GET")]

    assert [reply.body for reply in replies] == [b"", b"", b"bad"]


def test_fields_of_one_hop_end_at_the_gateway(door: GatewayProcess, instance: Instance) -> None:
    answering(
        instance,
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
        b"Keep-Alive: timeout=5\r\nTrailer: x\r\nX-Request-Id: forged\r\nX-Kept: 2\r\n\r\n",
    )
    publish(door, instance)

    reply = door.ask()

    assert reply.headers["x-kept"] == "2"
    assert reply.headers["x-request-id"] != "forged"
    assert not {"x-hop", "keep-alive", "connection", "trailer"} & reply.headers.keys()


def test_interim_answers_are_swallowed(door: GatewayProcess, instance: Instance) -> None:
    answering(
        instance,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    publish(door, instance)

    received = door.raw(
        f"GET /default/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {fresh_token()}\r\n\r\n".encode()
    )

    assert statuses(received) == [200]
    assert received.endswith(b"ok")


def test_idle_connection_that_speaks_up_is_dropped(
    door: GatewayProcess, instance: Instance
) -> None:
    late = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"

    async def speak_later(_seen: Seen, wire: Wire) -> None:
        await wire.raw(late + b"abc")
        await wire.raw(late + b"bad")

    instance.behave = speak_later
    publish(door, instance)

    replies = []
    for _ in range(5):
        replies.append(door.ask().body)
        # Idle is what the name says: on a busy machine the late words need a moment to arrive.
        time.sleep(0.05)

    assert replies == [b"abc"] * 5


def test_status_line_is_the_gateways_own(door: GatewayProcess, instance: Instance) -> None:
    answering(instance, b"HTTP/1.1 299 <script>\r\ncontent-length: 0\r\n\r\n")
    publish(door, instance)

    received = door.raw(
        f"GET /default/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {fresh_token()}\r\n\r\n".encode()
    )

    assert received.startswith(b"HTTP/1.1 299 Unknown\r\n")
