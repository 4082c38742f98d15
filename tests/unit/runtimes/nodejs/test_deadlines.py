"""A timeout ends the work, in this process or with it, and harms no other request."""

from __future__ import annotations

import threading
import time

import pytest

from support.node_runtime import start_node

LIMIT = "0.3"
SLOW_OR_QUICK = """
exports.main = async (event) => {
  const path = event.extensions.request.path;
  if (path === '/quick') return 'quick';
  if (path === '/slow') { await new Promise((r) => setTimeout(r, 250)); return 'slow'; }
  if (path === '/stuck') return new Promise(() => {});
  if (path === '/polite') return new Promise((_, reject) => {
    event.signal.addEventListener('abort', () => reject(event.signal.reason)); });
  if (path === '/block') for (;;);
  if (path === '/microtasks') for (;;) await null;
};"""


def test_the_caller_gets_408_at_once():
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        began = time.monotonic()
        reply = runtime.call(target="/stuck", headers={"X-Request-Id": "late-1"})
        took = time.monotonic() - began

    assert (reply.status, reply.headers["content-type"]) == (408, "application/problem+json")
    assert reply.json()["request_id"] == "late-1"
    assert 0.29 < took < 0.45


def test_work_that_heeds_the_signal_ends_and_the_process_stays():
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        reply = runtime.call(target="/polite")
        time.sleep(0.4)
        later = runtime.call(target="/quick")

        assert runtime.alive
        assert [event["event"] for event in runtime.seen] == ["ready"]

    assert (reply.status, later.text) == (408, "quick")


def test_work_that_does_not_end_retires_the_process():
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        reply = runtime.call(target="/stuck")
        event = runtime.wait_event("retiring")
        code = runtime.wait_exit()

    assert reply.status == 408
    assert event["reason"] == "DeadlineExceeded"
    assert code == 75


def test_other_requests_in_flight_are_served_before_it_leaves():
    replies = {}
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT="0.5") as runtime:
        runtime.wait_ready()

        def call(target, delay):
            time.sleep(delay)
            replies[target] = runtime.call(target=target)

        # /slow begins shortly before the process retires (0.75 s) and ends after it.
        calls = [
            threading.Thread(target=call, args=(t, d)) for t, d in (("/stuck", 0), ("/slow", 0.65))
        ]
        for thread in calls:
            thread.start()
        for thread in calls:
            thread.join()
        code = runtime.wait_exit()

    assert (replies["/stuck"].status, replies["/slow"].text, code) == (408, "slow", 75)


@pytest.mark.parametrize("target", ["/block", "/microtasks"])
def test_a_blocked_event_loop_is_killed_by_the_watching_thread(target):
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        began = time.monotonic()
        runtime.raw(f"GET {target} HTTP/1.1\r\nHost: f\r\n\r\n".encode())
        event = runtime.wait_event("retiring")
        code = runtime.wait_exit()
        took = time.monotonic() - began

    assert event["reason"] == "DeadlineExceeded"
    assert code == -9
    assert took < 1.2


def test_a_loop_that_blocks_after_its_timeout_is_killed_too():
    handler = """
    exports.main = ({ signal }) => new Promise(() => {
      signal.addEventListener('abort', () => { setTimeout(() => { for (;;); }, 50); });
    });"""
    with start_node(handler, FUNC_TIMEOUT=LIMIT) as runtime:
        reply = runtime.wait_ready().call()
        event = runtime.wait_event("retiring")

        assert runtime.wait_exit() == -9

    assert (reply.status, event["reason"]) == (408, "DeadlineExceeded")


def test_timeouts_that_follow_each_other_closely_do_not_look_like_a_blocked_loop():
    statuses = []
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()

        def call(delay):
            time.sleep(delay)
            statuses.append(runtime.call(target="/polite").status)

        calls = [threading.Thread(target=call, args=(delay,)) for delay in (0, 0.2, 0.4, 0.6, 0.8)]
        for thread in calls:
            thread.start()
        for thread in calls:
            thread.join()
        time.sleep(0.6)

        assert runtime.alive

    assert statuses == [408] * 5


def test_the_watching_thread_lets_quick_requests_be():
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        statuses = []
        for _ in range(12):
            statuses.append(runtime.call(target="/quick").status)
            time.sleep(0.1)

        assert runtime.alive

    assert set(statuses) == {200}


def test_a_stream_that_runs_past_the_deadline_is_cut():
    handler = """
    exports.main = async (event) => {
      const res = event.extensions.response;
      while (!event.signal.aborted) { res.write('x'); await new Promise((r) => setTimeout(r, 20)); }
    };"""
    with start_node(handler, FUNC_TIMEOUT=LIMIT) as runtime:
        received = runtime.wait_ready().raw(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n", seconds=2)
        time.sleep(0.4)

        assert runtime.alive

    assert received.startswith(b"HTTP/1.1 200 OK")
    assert not received.endswith(b"0\r\n\r\n")


def test_a_late_answer_is_dropped_in_silence():
    handler = """
    exports.main = (req, res) => { setTimeout(() => {
      res.status(200).set('X-Late', '1'); res.write('a'); res.json({ late: true });
    }, 450); };"""
    with start_node(handler, contract="request", FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        reply = runtime.call()
        time.sleep(0.3)

        assert runtime.alive
        assert [event["event"] for event in runtime.seen] == ["ready"]

    assert reply.status == 408


def test_a_callback_that_never_comes_retires_the_process():
    with start_node("exports.main = () => {}", contract="request", FUNC_TIMEOUT=LIMIT) as runtime:
        reply = runtime.wait_ready().call()

        assert runtime.wait_exit() == 75

    assert reply.status == 408


def test_a_body_that_never_arrives_gets_408_and_costs_nothing_else():
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        head = b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\nabc"
        received = runtime.raw(head, seconds=2)
        time.sleep(0.4)

        assert runtime.alive

    assert received.startswith(b"HTTP/1.1 408 ")


def test_the_signal_fires_when_the_caller_leaves():
    handler = """
    exports.main = (event) => new Promise((resolve) => {
      event.signal.addEventListener('abort', () => { console.log('left:', event.signal.reason.name); resolve(); });
    });"""
    with start_node(handler) as runtime:
        runtime.wait_ready()
        runtime.raw(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n", seconds=0.2)

        assert "left: AbortError" in runtime.wait_log("left:")


def test_timeouts_are_counted():
    with start_node(SLOW_OR_QUICK, FUNC_TIMEOUT=LIMIT) as runtime:
        runtime.wait_ready()
        runtime.call(target="/polite")
        metrics = runtime.metrics().text

    assert "function_timeouts_total 1" in metrics
    assert "function_failures_total 1" in metrics
