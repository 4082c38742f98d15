"""The protocol: concurrency, streaming, limits, odd requests, health and metrics."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest

from support.node_runtime import start_node

HANDLER = """
exports.main = async (event) => {
  const { request: req, response: res } = event.extensions;
  switch (req.path) {
    case '/wait': await new Promise((r) => setTimeout(r, 200)); return 'waited';
    case '/sse':
      res.set('Content-Type', 'text/event-stream');
      for (let n = 0; n < 3; n += 1) {
        res.write(`data: ${n}\\n\\n`); await new Promise((r) => setTimeout(r, 60));
      }
      res.end(); return;
    case '/headers': return req.headers;
    default: return `${req.method} ${req.url}`;
  }
};"""


@pytest.fixture(scope="module")
def runtime():
    with start_node(HANDLER) as started:
        yield started.wait_ready()


def test_many_requests_are_served_at_once(runtime):
    statuses = []
    began = time.monotonic()
    threads = [
        threading.Thread(target=lambda: statuses.append(runtime.call(target="/wait").status))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 20
    assert time.monotonic() - began < 1


def test_a_stream_arrives_as_it_is_written(runtime):
    with closing(runtime.connect()) as connection:
        connection.request("GET", "/sse")
        response = connection.getresponse()
        began = time.monotonic()
        first = response.read1()
        first_after = time.monotonic() - began
        rest = response.read()

    assert first == b"data: 0\n\n"
    assert rest.endswith(b"data: 2\n\n")
    assert first_after < 0.05


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_reaches_the_handler(runtime, method):
    reply = runtime.call(method, "/any?x=1")

    assert reply.text == f"{method} /any?x=1"
    assert "access-control-allow-origin" not in reply.headers


def test_head_gives_the_headers_only(runtime):
    reply = runtime.call("HEAD", "/x")

    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/healthz", 200, b"OK"),
        ("/favicon.ico", 204, b""),
        ("/metrics", 200, b"GET /metrics"),
        ("/healthz/x", 200, b"GET /healthz/x"),
    ],
)
def test_only_health_and_favicon_are_the_servers_own(runtime, target, status, body):
    reply = runtime.call(target=target)

    assert (reply.status, reply.body) == (status, body)


def test_metrics_have_kymas_names_on_their_own_socket():
    with start_node("exports.main = () => { throw new Error('x'); }") as runtime:
        runtime.wait_ready()
        runtime.call()
        runtime.call(target="/healthz")
        reply = runtime.metrics()
        health = runtime.metrics("/healthz")
        other = runtime.metrics("/")

    lines = reply.text.splitlines()
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "function_calls_total 1" in lines
    assert "function_failures_total 1" in lines
    assert "function_duration_seconds_count 1" in lines
    assert "function_duration_miliseconds_count 1" in lines
    assert 'function_duration_seconds_bucket{le="+Inf"} 1' in lines
    assert "function_requests_in_flight 0" in lines
    assert (health.text, other.status) == ("OK", 404)


def test_a_usable_request_id_is_kept_and_another_replaced():
    with start_node("exports.main = () => { throw new Error('x'); }") as runtime:
        runtime.wait_ready()
        kept = runtime.call(headers={"X-Request-Id": "01J-abc.DEF:9"}).json()["request_id"]
        forged = runtime.call(headers={"X-Request-Id": 'a" evil'}).json()["request_id"]
        missing = runtime.call().json()["request_id"]

    assert kept == "01J-abc.DEF:9"
    assert "evil" not in forged
    assert len(missing) == 36


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        pytest.param(b"NOT HTTP\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="two lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, id="unequal lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: xchunked\r\n\r\nabc", 400, id="unknown coding"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: f\r\nX: a\nY: b\r\n\r\n", 400, id="bare LF"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: f\r\nX : a\r\n\r\n", 400, id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: f\r\nX: a\x00b\r\n\r\n", 400, id="NUL"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: f\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, id="large header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: f\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431, id="many headers"),
    ],
)  # fmt: skip
def test_ambiguous_and_oversized_requests_are_refused(runtime, payload, status):
    received = runtime.raw(payload, seconds=2)

    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nConnection: close\r\n" in received or status == 431


def test_no_header_is_dropped_in_silence(runtime):
    headers = {f"X-Header-{number}": "v" for number in range(100)}

    received = runtime.call(target="/headers", headers=headers).json()

    assert sum(name.startswith("x-header-") for name in received) == 100


def test_connections_are_kept_and_pipelined_answers_keep_their_order(runtime):
    payload = b"GET /wait HTTP/1.1\r\nHost: f\r\n\r\nGET /second HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n"

    received = runtime.raw(payload)

    assert received.index(b"waited") < received.index(b"GET /second")


def test_an_idle_connection_stays_open(runtime):
    with closing(runtime.connect()) as connection:
        first = connection.call("GET", "/1")
        time.sleep(0.3)
        second = connection.call("GET", "/2")

    assert "keep-alive" not in first.headers
    assert second.text == "GET /2"


def test_a_caller_that_leaves_harms_nobody(runtime):
    for _ in range(5):
        runtime.raw(b"GET /sse HTTP/1.1\r\nHost: f\r\n\r\n", seconds=0.05)

    assert runtime.call(target="/after").text == "GET /after"


def test_the_server_listens_on_tcp_ports_when_no_descriptor_is_given():
    env = {
        "CASEMATE_LISTEN_FD": "",
        "CASEMATE_METRICS_FD": "",
        "FUNC_PORT": "18499",
        "CASEMATE_METRICS_PORT": "18498",
        "CASEMATE_HOST": "127.0.0.1",
    }
    handler = "exports.main = ({ extensions }) => ({ ip: extensions.request.ip })"
    with start_node(handler, **env) as runtime:
        runtime.wait_ready()
        reply = _tcp_call(18499, "/", {"X-Forwarded-For": "203.0.113.9"})
        metrics = _tcp_call(18498, "/metrics", {})

    assert b'{"ip":"127.0.0.1"}' in reply
    assert b"function_calls_total 1" in metrics


def _tcp_call(port, target, headers):
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", target, headers=headers)
        return connection.getresponse().read()
