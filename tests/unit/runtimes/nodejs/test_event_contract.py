"""main(event, context) of nodejs22 and nodejs24, as Kyma's specification and samples use it."""

from __future__ import annotations

import json

import pytest

from support.node_runtime import start_node


def returning(expression: str) -> str:
    return f"module.exports = {{ main: function (event, context) {{ return {expression}; }} }}"


@pytest.mark.parametrize(
    ("expression", "body", "content_type"),
    [
        pytest.param("'Hello World!'", b"Hello World!", None, id="a string as it is"),
        pytest.param("{a: 1}", b'{"a":1}', "application/json; charset=utf-8", id="object as JSON"),
        pytest.param("[1, 2]", b"[1,2]", "application/json; charset=utf-8", id="list as JSON"),
        pytest.param("42", b"42", None, id="a number as text"),
        pytest.param("true", b"true", None, id="true as text"),
        pytest.param("undefined", b"", None, id="nothing"),
        pytest.param("null", b"", None, id="null"),
        pytest.param("''", b"", None, id="the empty string"),
        pytest.param("0", b"", None, id="zero, as any falsy value"),
        pytest.param("Promise.resolve('later')", b"later", None, id="what a promise gives"),
        pytest.param("Promise.resolve()", b"", None, id="a promise of nothing"),
        pytest.param(
            "Buffer.from([1, 2, 255])", b"\x01\x02\xff", "application/octet-stream", id="bytes"
        ),
        pytest.param(
            "require('stream').Readable.from(['a', 'b'])", b"ab", None, id="a readable stream"
        ),
        pytest.param(
            "(async function* () { yield 'x'; yield 'y'; })()", b"xy", None, id="async iterable"
        ),
    ],
)
def test_the_return_value_is_the_answer(expression, body, content_type):
    with start_node(returning(expression)) as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.status, reply.body) == (200, body)
    assert reply.headers.get("content-type") == content_type


def test_no_header_is_added_that_the_handler_did_not_ask_for():
    with start_node(returning("'x'")) as runtime:
        reply = runtime.wait_ready().call()

    assert set(reply.headers) <= {"date", "connection", "keep-alive", "content-length"}


def test_context_describes_the_function():
    env = {"FUNC_TIMEOUT": "7", "REQ_MB_LIMIT": "2", "FUNC_MEMORY_LIMIT": "128Mi"}
    with start_node(returning("context"), **env) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.json() == {
        "function-name": "sample",
        "namespace": "default",
        "runtime": "nodejs24",
        "timeout": 7,
        "body-size-limit": 2,
        "memory-limit": "128Mi",
    }


def test_the_response_helpers_work_when_taken_out_of_the_event():
    handler = """
    module.exports = { main: ({ setResponseStatus, setResponseHeader, setResponseContentType }) => {
      setResponseStatus(418); setResponseHeader('X-Kind', 'teapot');
      setResponseContentType('application/xml');
      return '<a/>';
    } }"""
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.status, reply.body) == (418, b"<a/>")
    assert reply.headers["x-kind"] == "teapot"
    assert reply.headers["content-type"] == "application/xml"


def test_request_and_response_have_express_methods():
    handler = """
    module.exports = { main: function (event) {
      const { request: req, response: res } = event.extensions;
      res.status(201).cookie('seen', 'yes').vary('Accept');
      return { query: req.query, path: req.path, method: req.method, is: req.is('json'),
        ip: req.ip, host: req.hostname, protocol: req.protocol, get: req.get('X-One'),
        accepts: req.accepts(['html', 'json']), original: req.originalUrl, params: req.params };
    } }"""
    headers = {
        "Content-Type": "application/json",
        "X-One": "1",
        "Accept": "application/json",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
    }
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call("POST", "/a/b%20c?x=1&y=2&y=3", b"{}", headers)

    assert reply.status == 201
    assert reply.headers["set-cookie"] == "seen=yes; Path=/"
    assert reply.headers["vary"] == "Accept"
    assert reply.json() == {
        "query": {"x": "1", "y": ["2", "3"]},
        "path": "/a/b%20c",
        "method": "POST",
        "is": "json",
        "ip": "203.0.113.9",
        "host": "shop.example",
        "protocol": "https",
        "get": "1",
        "accepts": "json",
        "original": "/a/b%20c?x=1&y=2&y=3",
        "params": {"path": ["a", "b c"]},
    }


def test_a_handler_that_answers_by_itself_is_not_answered_again():
    handler = "exports.main = (event) => { event.extensions.response.status(202).json({a: 1}); }"
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.status, reply.json()) == (202, {"a": 1})


def test_a_response_that_the_handler_pipes_into_is_left_to_it():
    handler = """
    const { Readable } = require('stream');
    exports.main = (event) => { Readable.from(['one ', 'two']).pipe(event.extensions.response); }"""
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert reply.body == b"one two"


def test_a_status_set_by_the_handler_goes_with_an_empty_answer():
    with start_node("exports.main = (e) => { e.extensions.response.status(404); }") as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.status, reply.body) == (404, b"")


def test_the_callback_answers_with_status_and_headers():
    handler = "exports.main = (e, c, done) => { done({ok: true}, 203, {'X-A': 'b'}); }"
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.status, reply.headers["x-a"], reply.json()) == (203, "b", {"ok": True})


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param("module.exports = { main: () => { throw new Error('secret'); } }", id="throw"),
        pytest.param("exports.main = async () => { throw new Error('secret'); }", id="reject"),
        pytest.param("exports.main = () => Symbol('secret')", id="unsendable"),
        pytest.param("exports.main = () => { const a = {}; a.secret = a; return a; }", id="cycle"),
    ],
)
def test_a_failing_handler_gives_a_problem_without_its_message(handler):
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call(headers={"X-Request-Id": "req-1"})
        log = runtime.wait_log("handler failed")

    assert (reply.status, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.json()["request_id"] == "req-1"
    assert b"secret" not in reply.body
    assert b"handler.js" not in reply.body
    assert "Error" in log


def test_a_thrown_string_is_the_answer_as_under_kyma():
    with start_node("exports.main = () => { throw 'out of stock'; }") as runtime:
        reply = runtime.wait_ready().call()

    assert (reply.status, reply.text) == (500, "out of stock")


def test_a_failure_after_the_first_byte_breaks_the_connection():
    handler = """
    exports.main = async (event) => {
      event.extensions.response.write('half');
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error('broke');
    }"""
    with start_node(handler) as runtime:
        received = runtime.wait_ready().raw(b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")

    assert b"half" in received
    assert not received.endswith(b"0\r\n\r\n")


def test_the_tracer_has_the_shape_of_opentelemetry():
    handler = """
    exports.main = (event) => {
      const span = event.tracer.startSpan('work');
      span.addEvent('x').setAttribute('a', 1).setStatus({ code: 1 }).end();
      return event.tracer.startActiveSpan('inner', (inner) => inner.spanContext().traceId);
    }"""
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    with start_node(handler) as runtime:
        reply = runtime.wait_ready().call(headers=headers)

    assert reply.text == trace


def test_printing_the_event_works():
    handler = "exports.main = (event) => { console.log('event: ', event); return 'ok'; }"
    with start_node(handler, CASEMATE_LOG_FORMAT="json") as runtime:
        reply = runtime.wait_ready().call("POST", "/", json.dumps({"a": 1}))

    assert reply.text == "ok"
