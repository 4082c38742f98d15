"""Takes all of something; the limit stops it and a sibling goes on answering."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from support.engine_session import EngineSession, a_function

SIBLING = a_function("sibling", "python313", "def main(event, context):\n    return 'well'\n")
FORK_BOMB = """
import os, time

def main(event, context):
    children = 0
    try:
        while children < 2000:
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            children += 1
    except OSError as error:
        return {"children": children, "error": error.strerror}
    return {"children": children}
"""
MEMORY = """
def main(event, context):
    held = []
    for _ in range(200):
        held.append(bytearray(16 * 1024 * 1024))
    return len(held)
"""
FILL_DISK = """
def main(event, context):
    written = 0
    try:
        with open("/tmp/full", "wb") as file:
            while written < 2 * 1024 ** 3:
                written += file.write(b"x" * (1024 * 1024))
    except OSError as error:
        return {"megabytes": written // 1024 ** 2, "error": error.strerror}
    return {"megabytes": written // 1024 ** 2}
"""
NODE_MEMORY = """
module.exports = {
  main: () => {
    const held = [];
    for (;;) held.push(Buffer.alloc(16 * 1024 * 1024, 1));
  },
};
"""
FLOOD = """
def main(event, context):
    line = "x" * 1000
    for _ in range(100_000):
        print(line)
    return "printed"
"""
SPIN = """
def main(event, context):
    while True:
        pass
"""
NODE_SPIN = """
module.exports = { main: () => { for (;;) {} } };
"""
DESCRIPTORS = """
import os

def main(event, context):
    opened = []
    try:
        while len(opened) < 100_000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        return {"opened": len(opened), "error": error.strerror}
    return {"opened": len(opened)}
"""
EXIT = """
import os

def main(event, context):
    os._exit(3)
"""
DAEMON = """
import os, time

def main(event, context):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    return os.getpid()
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[EngineSession]:
    small = {"resourceConfiguration": {"function": {"profile": "S"}}, "timeoutSeconds": 2}
    functions = [
        SIBLING,
        a_function("forks", "python313", FORK_BOMB, **small),
        a_function("eats", "python313", MEMORY, **small),
        a_function("eats-node", "nodejs24", NODE_MEMORY, **small),
        a_function("fills", "python313", FILL_DISK, timeoutSeconds=20),
        a_function("floods", "python313", FLOOD, timeoutSeconds=20),
        a_function("spins", "python313", SPIN, **small),
        a_function("spins-node", "nodejs24", NODE_SPIN, **small),
        a_function("opens", "python313", DESCRIPTORS, timeoutSeconds=20),
        a_function("exits", "python313", EXIT, **small),
        a_function("daemon", "python313", DAEMON, **small),
    ]
    with EngineSession(tmp_path_factory.mktemp("engine"), functions) as session:
        yield session


def answers_well(engine: EngineSession) -> None:
    started = time.monotonic()
    assert engine.call("sibling") == (200, b"well")
    assert time.monotonic() - started < 2


def test_a_fork_bomb_stops_at_the_process_limit(engine):
    status, body = engine.call("forks")

    assert status in (200, 408, 500, 503)
    assert status != 200 or json.loads(body)["children"] <= 256
    answers_well(engine)


@pytest.mark.parametrize("name", ["eats", "eats-node"])
def test_eating_memory_ends_that_function_alone_and_it_comes_back(engine, name):
    status, _ = engine.call(name)

    # 408: a shared machine may need longer than the deadline to hand out all the memory.
    assert status in (408, 500, 502, 503)
    answers_well(engine)
    engine.wait_ready(name)


def test_scratch_space_ends_at_its_size(engine):
    status, body = engine.call("fills")

    assert status in (200, 503)
    assert status != 200 or json.loads(body)["megabytes"] <= 256
    answers_well(engine)


def test_a_flood_of_log_lines_is_bounded_and_blocks_nobody(engine):
    status, _ = engine.call("floods")

    assert status == 200
    answers_well(engine)
    assert engine.log_bytes() < 60 * 1024 * 1024


@pytest.mark.parametrize("name", ["spins", "spins-node"])
def test_an_endless_loop_is_answered_408_and_ended(engine, name):
    started = time.monotonic()

    status, _ = engine.call(name)

    assert status == 408
    assert time.monotonic() - started < 8
    answers_well(engine)
    engine.wait_ready(name)


def test_descriptors_end_at_their_limit(engine):
    _, body = engine.call("opens")

    assert json.loads(body)["opened"] < 10_000
    answers_well(engine)


def test_a_handler_that_exits_is_started_again(engine):
    status, _ = engine.call("exits")

    assert status in (500, 502, 503)
    answers_well(engine)
    engine.wait_ready("exits")


def test_a_daemon_ends_with_its_sandbox(engine):
    assert engine.call("daemon")[0] == 200
    inside = engine.processes("daemon")
    assert len(inside) >= 3

    engine.remove("daemon")

    assert engine.wait_gone(inside)
