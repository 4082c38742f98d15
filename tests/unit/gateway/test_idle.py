"""Requests for a Function of which nothing runs, and what the engine is told of it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from support.gateway_process import GatewayProcess, a_route, a_snapshot
from support.instance import Instance, Seen, Wire


def idle(**changes: object) -> dict[str, object]:
    return a_route(state="idle", **changes)


def heard(door: GatewayProcess, member: str, seconds: float = 10.0) -> object:
    """The next message with this member; others are passed over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = door.hear()
        if member in message:
            return message[member]
    raise AssertionError(f"no {member}")


def tell(door: GatewayProcess, *functions: dict[str, object], generation: int) -> dict[str, object]:
    """Publish and return the acknowledgement."""
    return door.tell(a_snapshot(*functions, generation=generation))


def test_request_for_an_idle_function_asks_for_it_and_waits(
    fresh_door: GatewayProcess, instance: Instance
) -> None:
    tell(fresh_door, idle(), generation=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(fresh_door.ask)

        assert heard(fresh_door, "wake") == "default/hello"
        assert not asked.done()
        tell(fresh_door, a_route(sockets=[str(instance.path)]), generation=2)

        assert asked.result(10).status == 200


def test_an_unanswered_wish_is_said_again(fresh_door: GatewayProcess) -> None:
    tell(fresh_door, idle(), generation=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(fresh_door.ask)
        assert heard(fresh_door, "wake") == heard(fresh_door, "wake")
        tell(fresh_door, a_route(state="failed", reason="LoadFailed"), generation=2)

        assert (asked.result(10).status, asked.result().problem["reason"]) == (503, "LoadFailed")


def test_many_requests_for_an_idle_function_are_one_wish(
    fresh_door: GatewayProcess, instance: Instance
) -> None:
    tell(fresh_door, idle(), generation=1)
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(fresh_door.ask) for _ in range(20)]
        heard(fresh_door, "wake")
        tell(fresh_door, a_route(sockets=[str(instance.path)]), generation=2)

        assert {one.result(10).status for one in asked} == {200}


def test_waiting_for_a_start_ends_at_the_functions_own_deadline(
    fresh_door: GatewayProcess,
) -> None:
    tell(fresh_door, idle(timeout_seconds=1), generation=1)

    assert fresh_door.ask().problem["code"] == "FunctionStarting"


def test_the_queue_of_an_idle_function_is_bounded(fresh_door: GatewayProcess) -> None:
    tell(fresh_door, idle(timeout_seconds=2), generation=1)
    with ThreadPoolExecutor(40) as pool:
        statuses = sorted(pool.map(lambda _: fresh_door.ask().status, range(40)))

    assert statuses == [429] * 10 + [503] * 30


def test_a_caller_without_a_token_wakes_nobody(fresh_door: GatewayProcess) -> None:
    # ATTACK: whoever can start sandboxes without a token can fill the machine with them.
    tell(fresh_door, idle(), generation=1)

    assert fresh_door.ask(token=None).status == 401
    fresh_door.control.settimeout(1.5)
    try:
        message = fresh_door.hear()
    except TimeoutError:
        message = {}
    assert message == {}


def test_activity_is_told_while_a_request_is_under_way(
    fresh_door: GatewayProcess, instance: Instance
) -> None:
    async def behave(_seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(2)
        await wire.answer()

    instance.behave = behave
    tell(fresh_door, a_route(sockets=[str(instance.path)]), generation=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(fresh_door.ask)
        reports = [heard(fresh_door, "active") for _ in range(3)]

        assert reports == [["default/hello"]] * 3
        assert asked.result(10).status == 200


def test_a_socket_that_is_left_is_named_until_its_last_request_has_ended(
    fresh_door: GatewayProcess, instance: Instance
) -> None:
    async def behave(_seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(1)
        await wire.answer()

    instance.behave = behave
    path = str(instance.path)
    tell(fresh_door, a_route(sockets=[path]), generation=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(fresh_door.ask)
        while not instance.seen:
            time.sleep(0.01)

        assert tell(fresh_door, idle(), generation=2) == {"ack": 2, "busy": [path]}
        assert heard(fresh_door, "released") == path
        assert asked.result(10).status == 200


def test_a_socket_without_requests_is_left_in_silence(
    fresh_door: GatewayProcess, instance: Instance
) -> None:
    tell(fresh_door, a_route(sockets=[str(instance.path)]), generation=1)
    assert fresh_door.ask().status == 200

    assert tell(fresh_door, idle(), generation=2) == {"ack": 2}
