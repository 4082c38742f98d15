"""Ending: drained, retired, and what user code can do to the whole process."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing

import pytest

from support.node_runtime import start_node

PATHS = """
exports.main = async (event) => {
  const path = event.extensions.request.path;
  if (path === '/slow') { await new Promise((r) => setTimeout(r, 300)); return 'slow'; }
  if (path === '/throw-later') {
    setTimeout(() => { throw new Error('thrown later'); }, 20); return new Promise(() => {});
  }
  if (path === '/float') { Promise.reject(new Error('forgotten')); return 'floated'; }
  if (path === '/exit') process.exit(0);
  if (path === '/exit-caught') { try { process.exit(0); } catch {} return 'stayed'; }
  if (path === '/never') return new Promise(() => {});
  if (path === '/outside') { outside(); return 'started'; }
  return 'quick';
};
const { AsyncLocalStorage } = require('async_hooks');
const outside = AsyncLocalStorage.bind(() => setTimeout(() => Promise.reject(new Error('stray')), 20));
"""


def in_background(call, *args):
    replies = []
    thread = threading.Thread(target=lambda: replies.append(call(*args)))
    thread.start()
    return thread, replies


def test_sigterm_serves_what_is_in_hand_and_leaves():
    with start_node(PATHS) as runtime:
        runtime.wait_ready()
        thread, replies = in_background(runtime.call, "GET", "/slow")
        time.sleep(0.1)
        runtime.signal(signal.SIGTERM)
        code = runtime.wait_exit()
        thread.join()

    assert (replies[0].text, replies[0].headers["connection"]) == ("slow", "close")
    assert code == 0


def test_sigterm_ends_an_idle_instance_at_once():
    with start_node(PATHS) as runtime, closing(runtime.wait_ready().connect()) as connection:
        connection.call("GET", "/")
        began = time.monotonic()
        runtime.signal(signal.SIGTERM)
        code = runtime.wait_exit()

    assert code == 0
    assert time.monotonic() - began < 0.5


def test_the_drain_is_bounded():
    with start_node(PATHS, FUNC_DRAIN_SECONDS="0.3") as runtime:
        runtime.wait_ready()
        thread, _ = in_background(runtime.raw, b"GET /never HTTP/1.1\r\nHost: f\r\n\r\n", 3)
        time.sleep(0.1)
        began = time.monotonic()
        runtime.signal(signal.SIGTERM)

        assert runtime.wait_exit() == 0
        assert 0.25 < time.monotonic() - began < 1
        thread.join()


def test_a_request_on_a_kept_connection_is_served_while_draining():
    with start_node(PATHS) as runtime, closing(runtime.wait_ready().connect()) as kept:
        kept.call("GET", "/")
        thread, replies = in_background(runtime.call, "GET", "/slow")
        time.sleep(0.1)
        runtime.signal(signal.SIGTERM)
        time.sleep(0.05)
        reply = kept.call("GET", "/")
        thread.join()

    assert (reply.text, reply.headers["connection"]) == ("quick", "close")
    assert replies[0].text == "slow"


def test_connections_wait_for_the_successor_and_are_not_refused():
    with start_node(PATHS) as runtime:
        runtime.wait_ready()
        runtime.signal(signal.SIGTERM)
        runtime.wait_exit()
        # The test's own copy of the listening socket is closed, the path remains: what matters is
        # that the runtime did not unlink it.
        assert (runtime.folder / "http.sock").exists()


def test_an_exception_in_a_callback_fails_its_request_and_retires():
    with start_node(PATHS) as runtime:
        runtime.wait_ready()
        thread, replies = in_background(runtime.call, "GET", "/slow")
        time.sleep(0.05)
        reply = runtime.call(target="/throw-later", headers={"X-Request-Id": "r1"})
        event = runtime.wait_event("retiring")
        thread.join()
        code = runtime.wait_exit()
        log = runtime.log()

    assert (reply.status, reply.json()["request_id"]) == (500, "r1")
    assert (event["reason"], code) == ("UncaughtException", 70)
    assert replies[0].text == "slow"
    assert "thrown later" in log


def test_a_forgotten_rejection_of_a_request_is_only_logged():
    with start_node(PATHS, CASEMATE_LOG_FORMAT="json") as runtime:
        reply = runtime.wait_ready().call(target="/float", headers={"X-Request-Id": "r2"})
        log = runtime.wait_log("forgotten")
        time.sleep(0.1)

        assert runtime.alive

    assert reply.text == "floated"
    assert '"request_id":"r2"' in log


def test_a_rejection_that_belongs_to_no_request_retires():
    with start_node(PATHS) as runtime:
        reply = runtime.wait_ready().call(target="/outside")
        event = runtime.wait_event("retiring")

        assert runtime.wait_exit() == 70

    assert (reply.text, event["reason"]) == ("started", "UnhandledRejection")


def test_process_exit_fails_its_request_only():
    with start_node(PATHS) as runtime:
        runtime.wait_ready()
        thread, replies = in_background(runtime.call, "GET", "/slow")
        time.sleep(0.1)
        reply = runtime.call(target="/exit")
        event = runtime.wait_event("retiring")
        thread.join()
        code = runtime.wait_exit()

    assert (reply.status, replies[0].text) == (500, "slow")
    assert (event["reason"], code) == ("ProcessExit", 70)


def test_a_retirement_is_announced_once():
    with start_node(PATHS) as runtime:
        runtime.wait_ready()
        runtime.call(target="/exit-caught")
        runtime.wait_exit()
        runtime._read_control(0.1)

    assert [event["event"] for event in runtime.seen] == ["ready", "retiring"]


@pytest.mark.parametrize("statement", ["process.reallyExit(1)", "process.abort()"])
def test_what_cannot_be_intercepted_ends_the_process(statement):
    """No boundary: the node sees the exit and starts another instance."""
    with start_node(f"exports.main = () => {{ {statement}; }}") as runtime:
        received = runtime.wait_ready().raw(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")

        assert runtime.wait_exit() != 0

    assert received == b""


def test_a_heap_that_is_full_ends_the_process_with_a_message():
    handler = (
        "const all = []; exports.main = () => { for (;;) all.push(new Array(1e5).fill('x')); }"
    )
    with start_node(handler, flags=("--max-old-space-size=32",)) as runtime:
        runtime.wait_ready().raw(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n", seconds=10)

        assert runtime.wait_exit() == -signal.SIGABRT
        assert "heap out of memory" in runtime.log()
