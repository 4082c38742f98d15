"""Slots, queues and deadlines of one Function."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.gateway_process import GatewayProcess, Reply, a_route
from support.instance import Instance, Seen, Wire, say_hello


def publish(door: GatewayProcess, instance: Instance, **changes: object) -> None:
    door.publish(a_route(sockets=[str(instance.path)], **changes))


def asked_at_once(door: GatewayProcess, number: int, **options: object) -> list[Reply]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: door.ask(**options), range(number)))  # type: ignore[arg-type]


def sleeping(seconds: float) -> object:
    async def behave(_seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(seconds)
        await wire.answer()

    return behave


def test_no_more_requests_are_under_way_than_the_function_takes(
    door: GatewayProcess, instance: Instance
) -> None:
    running, most = [0], [0]

    async def count(_seen: Seen, wire: Wire) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.02)
        running[0] -= 1
        await wire.answer()

    instance.behave = count
    publish(door, instance, concurrency=3)

    replies = asked_at_once(door, 12)

    assert [reply.status for reply in replies] == [200] * 12
    assert most == [3]


def test_two_sockets_share_the_load(door: GatewayProcess, instance: Instance) -> None:
    instance.behave = sleeping(0.1)  # type: ignore[assignment]
    with Instance(instance.path.with_name("second.sock"), instance.behave) as second:
        door.publish(a_route(sockets=[str(instance.path), str(second.path)], concurrency=2))

        asked_at_once(door, 4)

        assert (len(instance.seen), len(second.seen)) == (2, 2)


def test_request_beyond_the_queue_is_429(tight: GatewayProcess, instance: Instance) -> None:
    instance.behave = sleeping(0.3)  # type: ignore[assignment]
    publish(tight, instance, concurrency=1)

    replies = asked_at_once(tight, 6)

    codes = sorted(reply.status for reply in replies)
    refused = next(reply for reply in replies if reply.status == 429)
    assert codes[:2] == [200, 200]
    assert codes.count(429) == 3
    assert refused.headers["retry-after"] == "1"


def test_request_that_waits_too_long_is_503(tight: GatewayProcess, instance: Instance) -> None:
    instance.behave = sleeping(1.5)  # type: ignore[assignment]
    publish(tight, instance, concurrency=1)

    replies = asked_at_once(tight, 2)

    assert sorted(reply.status for reply in replies) == [200, 503]
    late = next(reply for reply in replies if reply.status == 503)
    assert late.problem["code"] == "QueueTimeout"


def test_request_waits_while_the_function_starts(tight: GatewayProcess, instance: Instance) -> None:
    publish(tight, instance, state="starting")
    timer = threading.Timer(0.2, publish, (tight, instance))
    timer.start()

    reply = tight.ask()

    timer.join()
    assert reply.status == 200


@pytest.mark.parametrize("outcome", ["starting", "failed", "draining", "gone"])
def test_request_that_waited_for_a_start_in_vain_learns_why(
    tight: GatewayProcess, instance: Instance, outcome: str
) -> None:
    publish(tight, instance, state="starting")

    def go_on() -> None:
        if outcome == "gone":
            tight.publish()
        else:
            publish(tight, instance, state=outcome, reason="ImportError")

    timer = threading.Timer(0.1, go_on)
    timer.start()

    reply = tight.ask()

    timer.join()
    assert reply.status == 503
    assert (
        reply.problem["code"]
        == {
            "starting": "FunctionStarting",
            "failed": "FunctionFailed",
            "draining": "FunctionDraining",
            "gone": "FunctionDraining",
        }[outcome]
    )
    if outcome == "failed":
        assert reply.problem["reason"] == "ImportError"


def test_caller_that_leaves_the_queue_takes_no_slot(
    tight: GatewayProcess, instance: Instance
) -> None:
    publish(tight, instance, state="starting", public=True)
    with tight.connect() as connection:
        connection.sendall(b"GET /default/hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.1)
    publish(tight, instance, public=True)

    assert tight.ask().status == 200
    assert len(instance.seen) == 1


def test_body_is_kept_while_its_request_waits(tight: GatewayProcess, instance: Instance) -> None:
    publish(tight, instance, state="starting", max_body_bytes=10**7)
    timer = threading.Timer(0.2, publish, (tight, instance), {"max_body_bytes": 10**7})
    timer.start()
    body = bytes(range(256)) * 8000

    reply = tight.ask(method="POST", body=body)

    timer.join()
    assert reply.status == 200
    assert instance.seen[0].body == body


def test_function_that_does_not_answer_in_time_is_408(
    tight: GatewayProcess, instance: Instance
) -> None:
    instance.behave = sleeping(10)  # type: ignore[assignment]
    publish(tight, instance, timeout_seconds=1)
    started = time.monotonic()

    reply = tight.ask()

    assert (reply.status, reply.problem["code"]) == (408, "FunctionTimeout")
    assert 1.2 < time.monotonic() - started < 2


def test_answer_of_the_runtime_itself_is_preferred_within_the_grace(
    tight: GatewayProcess, instance: Instance
) -> None:
    async def late(_seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(1.1)
        await wire.answer(b"mine", "408 Request Timeout")

    instance.behave = late
    publish(tight, instance, timeout_seconds=1)

    assert tight.ask().body == b"mine"


@pytest.mark.parametrize(("seconds", "status"), [(0.1, 503), (1.1, 408)])
def test_instance_that_ends_without_an_answer(
    tight: GatewayProcess, instance: Instance, seconds: float, status: int
) -> None:
    async def die(_seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(seconds)
        wire.writer.close()

    instance.behave = die
    publish(tight, instance, timeout_seconds=1)

    assert tight.ask(method="POST", body=b"x").status == status


@pytest.mark.parametrize(("method", "expected"), [("GET", 200), ("POST", 503)])
def test_only_a_safe_request_is_sent_again_when_an_idle_connection_died(
    door: GatewayProcess, instance: Instance, method: str, expected: int
) -> None:
    async def die_on_second_use(_seen: Seen, wire: Wire) -> None:
        if getattr(wire, "used", False):
            wire.writer.close()
        else:
            wire.used = True  # type: ignore[attr-defined]
            await wire.answer()

    instance.behave = die_on_second_use
    publish(door, instance)
    assert door.ask().status == 200

    reply = door.ask(method=method, body=b"x" if method == "POST" else None)

    assert reply.status == expected


def test_fresh_connection_that_dies_is_not_tried_again(
    door: GatewayProcess, instance: Instance
) -> None:
    async def die(_seen: Seen, wire: Wire) -> None:
        wire.writer.close()

    instance.behave = die
    publish(door, instance)

    reply = door.ask()

    assert (reply.status, reply.problem["code"]) == (503, "InstanceLost")
    assert len(instance.seen) == 1


def test_socket_that_nobody_listens_on_is_503(door: GatewayProcess, instance: Instance) -> None:
    door.publish(a_route(sockets=[str(instance.path) + ".gone"]))

    assert door.ask().problem["code"] == "InstanceLost"


def test_slot_of_a_failed_request_is_free_again(door: GatewayProcess, instance: Instance) -> None:
    async def die(_seen: Seen, wire: Wire) -> None:
        wire.writer.close()

    instance.behave = die
    publish(door, instance, concurrency=1)
    for _ in range(3):
        assert door.ask().status == 503

    instance.behave = say_hello

    assert door.ask().status == 200


def test_idle_connections_are_closed_after_a_while(
    tight: GatewayProcess, instance: Instance
) -> None:
    publish(tight, instance)
    assert tight.ask().status == 200
    deadline = time.monotonic() + 5
    while not instance.closed and time.monotonic() < deadline:
        time.sleep(0.02)

    assert instance.closed == 1


def test_socket_that_leaves_the_route_loses_its_idle_connections(
    door: GatewayProcess, instance: Instance
) -> None:
    publish(door, instance)
    assert door.ask().status == 200

    door.publish(a_route(sockets=[]))

    deadline = time.monotonic() + 5
    while not instance.closed and time.monotonic() < deadline:
        time.sleep(0.02)
    assert instance.closed == 1
