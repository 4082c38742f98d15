"""The running sandbox is what its plan promised, and still is after it has worked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.engine_session import EngineSession, a_function

BUSY = """
import os, threading

def main(event, context):
    open("/tmp/left-behind", "a").close()
    worker = threading.Thread(target=sum, args=(range(1000),))
    worker.start()
    worker.join()
    return os.getpid()
"""
BUSY_NODE = """
const fs = require("fs");
module.exports = {
  main: async () => {
    fs.appendFileSync("/tmp/left-behind", "x");
    await new Promise((resolve) => setTimeout(resolve, 1));
    return process.pid;
  },
};
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[EngineSession]:
    functions = [
        a_function("busy-python", "python313", BUSY),
        a_function("busy-node", "nodejs24", BUSY_NODE),
    ]
    with EngineSession(tmp_path_factory.mktemp("posture"), functions) as session:
        yield session


@pytest.mark.parametrize("name", ["busy-python", "busy-node"])
def test_the_posture_is_the_plan_also_after_a_hundred_requests(engine, name):
    before = engine.posture(name)["differences"]

    statuses = {engine.call(name)[0] for _ in range(100)}

    assert statuses == {200}
    assert before == []
    assert engine.posture(name)["differences"] == []
