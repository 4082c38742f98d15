"""Functions that run only while somebody asks, in real sandboxes behind the real gateway."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from casemate.api.meta import FunctionRef
from casemate.engine.function_runner import ON_REQUEST
from support.engine_session import EngineSession, a_function

HELLO = "def main(event, context):\n    return 'hello'\n"
IDLE = {"min": 0, "max": 1, "idleSeconds": 1}
FOREVER_IDLE = {"min": 0, "max": 1, "idleSeconds": 300}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSession]:
    folder = tmp_path_factory.mktemp("idle")
    functions = [a_function("hello", "python313", HELLO, scaling=IDLE)]
    with EngineSession(folder, functions, warmth=ON_REQUEST) as session:
        yield session


def running(session: EngineSession, name: str) -> bool:
    found = session.engine._runner._running[FunctionRef("default", name)]
    return found.worker.serving is not None


def wait_asleep(session: EngineSession, name: str) -> None:
    deadline = time.monotonic() + 15
    while running(session, name):
        assert time.monotonic() < deadline, "still awake"
        time.sleep(0.05)


def test_applied_function_runs_without_a_process_and_answers_the_first_request(
    session: EngineSession,
) -> None:
    session.apply(a_function("first", "python313", HELLO, scaling=FOREVER_IDLE))
    session.wait_ready("first")

    assert session.condition("first", "Running")["reason"] == "ScaledToZero"
    assert not running(session, "first")
    assert session.call("first") == (200, b"hello")
    assert session.condition("first", "Running")["reason"] == "DeploymentReady"


@pytest.mark.timeout(60)
def test_no_request_fails_around_the_edge_of_the_idle_time(session: EngineSession) -> None:
    # Pauses from well below to well above the idle second, several callers out of step.
    outcomes: list[int] = []

    def ask(offset: float) -> None:
        for step in range(9):
            time.sleep(offset + 0.8 + step * 0.1)
            outcomes.append(session.call("hello", b"{}" if step % 2 else None)[0])

    for _ in range(2):
        ask(0.0)
    callers = [threading.Thread(target=ask, args=(offset,)) for offset in (0.0, 0.01)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert outcomes == [200] * 36


def test_an_idle_function_leaves_no_process(session: EngineSession) -> None:
    assert session.call("hello")[0] == 200
    pids = session.processes("hello")

    wait_asleep(session, "hello")

    assert pids
    assert session.wait_gone(pids)


def test_a_long_request_keeps_its_instance(session: EngineSession) -> None:
    source = "import time\ndef main(event, context):\n    time.sleep(3)\n    return 'slept'\n"
    session.apply(a_function("slow", "python313", source, scaling=IDLE))
    session.wait_ready("slow")

    assert session.call("slow") == (200, b"slept")


def test_held_callers_hear_why_the_start_failed(session: EngineSession) -> None:
    source = "raise RuntimeError('no such luck')\n"
    session.apply(a_function("broken", "python313", source, scaling=FOREVER_IDLE))
    session.wait_ready("broken")

    status, body = session.call("broken")

    assert status == 503
    assert b"LoadFailed" in body
    assert session.wait_condition("broken", "Running", "False")["reason"] == "LoadFailed"


def test_a_bad_revision_of_a_sleeping_function_does_not_become_the_one_to_wake(
    session: EngineSession,
) -> None:
    session.apply(a_function("proven", "python313", HELLO, scaling=IDLE))
    session.wait_ready("proven")
    assert session.call("proven") == (200, b"hello")
    wait_asleep(session, "proven")

    session.apply(a_function("proven", "python313", "import nothing_here\n", scaling=IDLE))
    deadline = time.monotonic() + 20
    while "is not ready" not in session.condition("proven", "Running").get("message", ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert session.call("proven") == (200, b"hello")


def test_a_good_revision_of_a_sleeping_function_is_proven_and_answers(
    session: EngineSession,
) -> None:
    session.apply(a_function("moving", "python313", HELLO, scaling=IDLE))
    session.wait_ready("moving")
    assert session.call("moving") == (200, b"hello")
    wait_asleep(session, "moving")
    old = session.describe("moving")["status"]["revision"]

    session.apply(a_function("moving", "python313", HELLO.replace("hello", "news"), scaling=IDLE))
    deadline = time.monotonic() + 20
    while session.describe("moving")["status"]["revision"] == old:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while session.call("moving") != (200, b"news"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_zero_replicas_turn_a_function_off_and_one_turns_it_on(session: EngineSession) -> None:
    session.apply(a_function("off", "python313", HELLO, replicas=0))
    session.wait_condition("off", "ConfigurationReady", "True")
    deadline = time.monotonic() + 10
    while (answer := session.call("off"))[0] != 503 or b"TurnedOff" not in answer[1]:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)

    session.apply(a_function("off", "python313", HELLO, replicas=1))

    session.wait_ready("off")
    assert session.call("off") == (200, b"hello")
