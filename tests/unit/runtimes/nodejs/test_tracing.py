"""Trace headers in and out, with and without OpenTelemetry."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.node_runtime import start_node

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}


@contextmanager
def a_server():
    """A server on loopback that answers with the headers it got and keeps JSON bodies."""
    posted = []

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({k.lower(): v for k, v in self.headers.items()}).encode())

        def do_POST(self):
            # The exporter sends chunks: size line, bytes, line end, up to the empty chunk.
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            posted.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


CLIENTS = {
    "http": "new Promise((r) => require('http').get(TARGET, (res) => "
    "{ let t = ''; res.on('data', (d) => (t += d)).on('end', () => r(JSON.parse(t))); }))",
    "axios": "require('axios').get(TARGET).then((r) => r.data)",
    "fetch": "fetch(TARGET).then((r) => r.json())",
}
with_each_client = pytest.mark.parametrize("call", CLIENTS.values(), ids=CLIENTS)


def calling(call, prelude=""):
    return f"""{prelude}
    const {{ TARGET }} = process.env;
    exports.main = async () => {call};"""


@with_each_client
def test_outgoing_requests_continue_the_callers_trace(call):
    with a_server() as (target, _), start_node(calling(call), TARGET=target) as runtime:
        sent = runtime.wait_ready().call(headers=TRACEPARENT).json()

    version, trace, span, flags = sent["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != SPAN
    assert sent["tracestate"] == "vendor=1"
    assert (sent["x-b3-traceid"], sent["x-b3-spanid"], sent["x-b3-sampled"]) == (TRACE, span, "1")


@pytest.mark.parametrize(
    ("headers", "trace", "sampled"),
    [
        pytest.param({"b3": f"{TRACE}-{SPAN}-0"}, TRACE, "0", id="b3 in one header"),
        pytest.param(
            {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1"}, TRACE, "1", id="b3"
        ),
        pytest.param(
            {"x-b3-traceid": TRACE[16:], "x-b3-spanid": SPAN}, TRACE[16:], "1", id="64 bit"
        ),
        pytest.param({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, None, "1", id="zeros"),
        pytest.param({"traceparent": f"00-{TRACE}-{SPAN}-00"}, TRACE, "0", id="not sampled"),
        pytest.param({"traceparent": "junk", "b3": "junk"}, None, "1", id="junk"),
        pytest.param({}, None, "1", id="none"),
    ],
)
def test_the_trace_is_read_from_either_family(headers, trace, sampled):
    handler = calling(CLIENTS["http"])
    with a_server() as (target, _), start_node(handler, TARGET=target) as runtime:
        sent = runtime.wait_ready().call(headers=headers).json()

    if trace is not None:
        assert sent["x-b3-traceid"] == trace.rjust(32, "0")
    assert len(sent["x-b3-traceid"]) == 32
    assert sent["x-b3-sampled"] == sampled


def test_headers_that_the_handler_set_are_left_alone():
    own = f"00-{'a' * 32}-{'b' * 16}-01"
    call = f"fetch(TARGET, {{ headers: {{ traceparent: '{own}' }} }}).then((r) => r.json())"
    with a_server() as (target, _), start_node(calling(call), TARGET=target) as runtime:
        sent = runtime.wait_ready().call(headers=TRACEPARENT).json()

    assert sent["traceparent"] == own
    assert "x-b3-traceid" not in sent


@with_each_client
def test_a_function_that_imports_opentelemetry_finds_a_working_provider(call):
    prelude = """
    const api = require('@opentelemetry/api');
    const check = () => {
      const active = api.trace.getActiveSpan();
      if (!active.isRecording()) throw new Error('no span');
      return api.trace.getTracer('own').startActiveSpan('own', (span) => { span.end(); return active; });
    };"""
    handler = calling(f"(check(), await {call})", prelude)
    with a_server() as (target, _), start_node(handler, TARGET=target) as runtime:
        sent = runtime.wait_ready().call(headers=TRACEPARENT).json()

    assert sent["traceparent"].split("-")[1] == TRACE
    assert sent["x-b3-traceid"] == TRACE


def test_spans_reach_the_collector_before_the_process_leaves():
    handler = """
    exports.main = async (event) => {
      const span = event.tracer.startSpan('inner');
      span.setAttribute('kind', 'custom'); span.end();
      if (event.extensions.request.path === '/fails') throw new Error('x');
      return 'ok';
    };"""
    with (
        a_server() as (target, posted),
        start_node(handler, TRACE_COLLECTOR_ENDPOINT=f"{target}/v1/traces") as runtime,
    ):
        runtime.wait_ready()
        runtime.call(target="/works", headers=TRACEPARENT)
        runtime.call(target="/fails", headers=TRACEPARENT)
        runtime.signal(signal.SIGTERM)

        assert runtime.wait_exit() == 0

    resources = [resource for body in posted for resource in body["resourceSpans"]]
    names = {a["key"]: a["value"] for a in resources[0]["resource"]["attributes"]}
    spans = [s for r in resources for scope in r["scopeSpans"] for s in scope["spans"]]
    assert names["service.name"] == {"stringValue": "sample"}
    assert {span["traceId"] for span in spans} == {TRACE}
    by_path = {
        a["value"]["stringValue"]: span
        for span in spans
        for a in span["attributes"]
        if a["key"] == "url.path"
    }
    assert by_path["/works"]["parentSpanId"] == SPAN
    assert by_path["/fails"]["status"]["code"] == 2
    inner = [span for span in spans if span["name"] == "inner"]
    assert {span["parentSpanId"] for span in inner} == {s["spanId"] for s in by_path.values()}


def test_without_collector_and_import_opentelemetry_is_not_loaded():
    handler = """
    exports.main = () => Object.keys(require.cache).filter((p) => p.includes('opentelemetry')).length
      + Object.keys(require.cache).filter((p) => p.includes('/express/')).length + ' loaded';"""
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.text == "0 loaded"


def test_work_outside_of_a_request_starts_no_trace():
    handler = f"""
    const {{ TARGET }} = process.env;
    const first = {CLIENTS["fetch"]};
    exports.main = () => first;"""
    with a_server() as (target, _), start_node(handler, TARGET=target) as runtime:
        sent = runtime.wait_ready().call().json()

    assert "traceparent" not in sent
