"""python314: `main()` with flask.request at hand, and the `sdk` module."""

import pytest

from support.python_runtime import start_python

EVALUATE = """
import flask, sdk
from flask import request, Response, abort, jsonify, stream_with_context

async def path_later():
    return flask.request.path

def parts():
    yield "a"
    yield flask.request.path

def main():
    return eval(flask.request.headers["X-Code"])
"""


@pytest.fixture(scope="module")
def evaluator():
    with start_python(EVALUATE, {"FUNC_TIMEOUT": "7"}, runtime="python314") as runtime:
        yield runtime.wait_ready()


@pytest.fixture
def evaluate(evaluator):
    def call(code, body=None, headers=None, method="POST", target="/a/b?q=1"):
        return evaluator.call(method, target, body, {"X-Code": code, **(headers or {})})

    return call


RETURNED = {
    "text": ("'x'", 200, "text/html; charset=utf-8", b"x"),
    "dict": ("{'a': 1}", 200, "application/json", b'{"a":1}\n'),
    "list": ("[1]", 200, "application/json", b"[1]\n"),
    "tuple": ("('x', 201)", 201, "text/html; charset=utf-8", b"x"),
    "response": (
        "Response('{}', status=202, mimetype='application/json')",
        202,
        "application/json",
        b"{}",
    ),
    "generator": ("(c for c in 'ab')", 200, "text/html; charset=utf-8", b"ab"),
    "with context": (
        "Response(stream_with_context(parts()))",
        200,
        "text/html; charset=utf-8",
        b"a/a/b",
    ),
    "awaitable": ("path_later()", 200, "text/html; charset=utf-8", b"/a/b"),
    "aborted": ("abort(418)", 418, "text/html; charset=utf-8", None),
    "query": ("request.args['q']", 200, "text/html; charset=utf-8", b"1"),
    "path": ("request.path", 200, "text/html; charset=utf-8", b"/a/b"),
    "method": ("request.method", 200, "text/html; charset=utf-8", b"POST"),
    "sdk request": ("sdk.get_request().path", 200, "text/html; charset=utf-8", b"/a/b"),
}


@pytest.mark.parametrize(("code", "status", "kind", "body"), RETURNED.values(), ids=RETURNED)
def test_returned_value_becomes_an_answer(evaluate, code, status, kind, body):
    reply = evaluate(code)

    assert (reply.status, reply.headers["content-type"]) == (status, kind)
    assert body is None or reply.body == body


def test_json_and_form_bodies_are_read(evaluate):
    json_type = {"Content-Type": "application/json"}
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}

    assert evaluate("request.json['a']", b'{"a": "j"}', json_type).text == "j"
    assert evaluate("request.form['a']", b"a=f", form_type).text == "f"


def test_broken_json_is_the_callers_mistake(evaluate):
    reply = evaluate("request.json", b"{", {"Content-Type": "application/json"})

    assert reply.status == 400


@pytest.mark.parametrize("code", ["None", "1 / 0", "object()", "exit(1)"])
def test_failure_is_a_500_without_a_traceback(evaluate, code):
    reply = evaluate(code)

    assert reply.status == 500
    assert b"Traceback" not in reply.body


METADATA = {
    "sdk.get_function_name()": "sample",
    "sdk.get_namespace()": "default",
    "sdk.get_runtime()": "python314",
    "str(sdk.get_timeout())": "7",
    "str(sdk.get_body_size_limit())": "104857600",
}


@pytest.mark.parametrize(("code", "value"), METADATA.items(), ids=METADATA)
def test_sdk_tells_metadata(evaluate, code, value):
    assert evaluate(code).text == value


def test_sdk_reads_a_binary_event(evaluate):
    headers = {"ce-type": "t", "ce-source": "/s", "ce-id": "1", "ce-specversion": "1.0"}
    headers["Content-Type"] = "application/json"

    reply = evaluate(
        "[sdk.get_cloud_event().get_type(), sdk.get_cloud_event().get_data()]",
        b'{"a": 1}',
        headers,
    )

    assert reply.json() == ["t", {"a": 1}]


def test_sdk_reads_a_structured_event(evaluate):
    body = b'{"specversion": "1.0", "type": "t", "source": "/s", "id": "1", "data": {"a": 1}}'

    reply = evaluate(
        "sdk.get_cloud_event().get_data()", body, {"Content-Type": "application/cloudevents+json"}
    )

    assert reply.json() == {"a": 1}


def test_sdk_gives_nothing_for_an_ordinary_request(evaluate):
    assert evaluate("str(sdk.get_cloud_event())").text == "None"


def test_sdk_gives_a_tracer(evaluate):
    assert evaluate("str(hasattr(sdk.get_tracer(), 'start_as_current_span'))").text == "True"


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("'x'", 200, b"x"),
        ("b'x'", 200, b"x"),
        ("{'a': 1}", 200, b'{"a": 1}\n'),
        ("('x', 201)", 201, b"x"),
        ("('x', {'X-A': '1'})", 200, b"x"),
        ("(c for c in 'ab')", 200, b"ab"),
        ("None", 500, None),
    ],
)
def test_handler_without_flask_is_answered_by_the_same_rules(code, status, body):
    handler = f"import sys\ndef main():\n    assert 'flask' not in sys.modules\n    return {code}\n"
    with start_python(handler, runtime="python314") as runtime:
        runtime.wait_ready()

        reply = runtime.call()

    assert reply.status == status
    assert body is None or reply.body == body


def test_flask_imported_inside_the_handler_is_served_too():
    handler = "def main():\n    import flask\n    return flask.Response('late', 202)\n"
    with start_python(handler, runtime="python314") as runtime:
        runtime.wait_ready()

        replies = [runtime.call(), runtime.call()]

    assert [(reply.status, reply.body) for reply in replies] == [(202, b"late")] * 2
