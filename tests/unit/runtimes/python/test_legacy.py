"""python312 and python313: `main(event, context)`, what it gets and what it may return."""

import json
import re

import pytest

from support.python_runtime import start_python

# One instance for all tests that keep no state: the body names the expression to return.
EVALUATE = """
import bottle, io, json, math
from bottle import HTTPResponse, HTTPError

async def later(value):
    return value

async def ticks():
    for n in range(3):
        yield f"t{n};"

def count(n):
    for i in range(n):
        yield f"line {i}\\n"

class Odd:
    pass

def main(event, context):
    request = event["extensions"]["request"]
    code = request.headers.get("X-Code")
    return eval(code)
"""


@pytest.fixture(scope="module")
def evaluator():
    with start_python(EVALUATE) as runtime:
        yield runtime.wait_ready()


@pytest.fixture
def evaluate(evaluator):
    def call(code, body=None, headers=None, method="POST", target="/"):
        return evaluator.call(method, target, body, {"X-Code": code, **(headers or {})})

    return call


RETURNED = {
    "text": (r"'h\xe9llo'", "text/html; charset=UTF-8", "héllo".encode()),
    "bytes": (r"b'\x00\x01'", "text/html; charset=UTF-8", b"\x00\x01"),
    "dict": ("{'a': 1}", "application/json", b'{"a": 1}'),
    "empty dict": ("{}", "application/json", b"{}"),
    "list of values": ("[1, {'a': None}]", "application/json", b'[1, {"a": null}]'),
    "list of text": ("['a', 'b']", "text/html; charset=UTF-8", b"ab"),
    "number": ("42", "application/json", b"42"),
    "boolean": ("True", "application/json", b"true"),
    "nothing": ("None", "text/html; charset=UTF-8", b""),
    "empty text": ("''", "text/html; charset=UTF-8", b""),
    "generator": ("count(2)", "text/html; charset=UTF-8", b"line 0\nline 1\n"),
    "file": ("io.BytesIO(b'file')", "text/html; charset=UTF-8", b"file"),
    "awaitable": ("later('soon')", "text/html; charset=UTF-8", b"soon"),
    "async generator": ("ticks()", "text/html; charset=UTF-8", b"t0;t1;t2;"),
    "response with a dict": ("HTTPResponse({'a': 1})", "application/json", b'{"a": 1}'),
}


@pytest.mark.parametrize(("code", "content_type", "body"), RETURNED.values(), ids=RETURNED)
def test_returned_value_becomes_a_body(evaluate, code, content_type, body):
    reply = evaluate(code)

    assert (reply.status, reply.headers["content-type"], reply.body) == (200, content_type, body)


UNUSABLE = ["Odd()", "object", "3 + 4j", "{1: Odd()}", "'\\ud800'", "iter([Odd()])"]


@pytest.mark.parametrize("code", UNUSABLE)
def test_unusable_value_is_a_500_that_says_nothing(evaluate, code):
    reply = evaluate(code)

    assert reply.status == 500
    assert set(reply.json()) == {"type", "title", "status", "detail", "request_id"}


def test_response_object_sets_status_headers_and_cookies(evaluate):
    reply = evaluate(
        "(lambda r: (r.set_cookie('k', 'v'), r)[1])"
        "(HTTPResponse('x', 202, {'X-Mine': '1', 'Content-Type': 'text/plain'}))"
    )

    assert (reply.status, reply.body) == (202, b"x")
    assert reply.headers["x-mine"] == "1"
    assert reply.headers["content-type"] == "text/plain"
    assert reply.headers["set-cookie"] == "k=v"


def test_raised_response_is_an_answer(evaluate):
    reply = evaluate("bottle.abort(404, 'no such order')")

    assert reply.status == 404
    assert b"no such order" in reply.body


def test_tuple_gives_body_status_and_headers(evaluate):
    reply = evaluate("({'made': 1}, 201, {'Location': '/1'})")

    assert (reply.status, reply.headers["location"], reply.json()) == (201, "/1", {"made": 1})


@pytest.mark.parametrize(
    "code",
    [
        r"('x', 200, {'X-A': 'a\r\nSet-Cookie: evil=1'})",
        r"('x', 200, {'X-A\r\nX-B': 'a'})",
        "('x', 99)",
        "('x', 1000)",
        "('x', 101)",
    ],
)
def test_line_break_in_a_response_header_is_refused(evaluate, code):
    reply = evaluate(code)

    assert reply.status == 500
    assert "set-cookie" not in reply.headers


def test_framing_headers_of_a_handler_are_dropped(evaluate):
    reply = evaluate("('four', 200, {'Content-Length': '99', 'Transfer-Encoding': 'chunked'})")

    assert reply.body == b"four"
    assert reply.headers["content-length"] == "4"
    assert "transfer-encoding" not in reply.headers


def test_no_cross_origin_header_is_added(evaluate):
    assert not [name for name in evaluate("'x'").headers if name.startswith("access-control")]


def test_status_without_body_has_none(evaluate):
    reply = evaluate("('', 204)")

    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers


DATA = {
    "json": (b'{"a": 1}', "application/json", "{'a': 1}"),
    "json with charset": (b'{"a": 1}', "application/json; charset=utf-8", "{'a': 1}"),
    "json suffix": (b"[1]", "application/problem+json", "[1]"),
    "text": (b"plain", "text/plain", "b'plain'"),
    "form": (b"a=1&b=2", "application/x-www-form-urlencoded", "b'a=1&b=2'"),
    "nothing": (None, "text/plain", "b''"),
    "empty json": (b"", "application/json", "None"),
}


@pytest.mark.parametrize(("body", "content_type", "seen"), DATA.values(), ids=DATA)
def test_data_of_the_event_is_parsed_when_it_is_json(evaluate, body, content_type, seen):
    reply = evaluate("repr(event['data'])", body, {"Content-Type": content_type})

    assert reply.text == seen


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000], ids=["cut", "bytes", "deep"])
def test_broken_json_is_the_callers_mistake(evaluate, body):
    reply = evaluate("'unreached'", body, {"Content-Type": "application/json"})

    assert reply.status == 400
    assert reply.json()["detail"] == "the body is not valid JSON"


SEEN = {
    "request.method": "'PUT'",
    "request.path": "'/a/b c'",
    "request.query.q": "'ü'",
    "request.get_header('x-mine')": "'1'",
    "request.headers['X-Mine']": "'1'",
    "request.content_type": "'application/x-www-form-urlencoded'",
    "dict(request.forms)": "{'f': '2'}",
    "request.body.read()": "b'f=2'",
    "request.cookies.get('c')": "'3'",
    "event.req is request": "True",
    "event.get('extensions')['request'] is request": "True",
    "event['extensions'].get('request') is request": "True",
    "request.content_length": "3",
    "request.urlparts.path": "'/a/b%20c'",
    "__import__('pickle').loads(__import__('pickle').dumps(request)).path": "'/a/b c'",
}


@pytest.mark.parametrize(("code", "seen"), SEEN.items(), ids=SEEN)
def test_request_behaves_as_bottles(evaluate, code, seen):
    headers = {"X-Mine": "1", "Cookie": "c=3", "Content-Type": "application/x-www-form-urlencoded"}

    reply = evaluate(f"repr({code})", b"f=2", headers, "PUT", "/a/b%20c?q=%C3%BC")

    assert reply.text == seen


def test_underscored_header_does_not_replace_the_gateways(evaluate):
    headers = {"X-Casemate-Principal": "ada", "X_Casemate_Principal": "eve"}

    reply = evaluate("request.get_header('X-Casemate-Principal')", headers=headers)

    assert reply.text == "ada"


def test_context_of_one_request_is_not_there_for_the_next(evaluate):
    evaluate("context.update(leak=1)")

    assert evaluate("str('leak' in context)").text == "False"


def test_error_is_a_500_with_a_request_id_and_no_traceback(evaluator, evaluate):
    reply = evaluate("1 / 0", headers={"X-Request-Id": "abc-1"})

    assert reply.status == 500
    assert reply.json()["request_id"] == "abc-1"
    assert b"ZeroDivision" not in reply.body
    log = evaluator.wait_log("[abc-1] ZeroDivisionError: division by zero")
    assert re.search(r'\[abc-1\]   file ".*handler.py", line \d+, in main', log)
    assert "return eval(code)" not in log


@pytest.mark.parametrize(
    "code",
    [
        "exit(3)",
        "__import__('sys').exit(3)",
        "(_ for _ in ()).throw(KeyboardInterrupt)",
        "(lambda f: f(f))(lambda f: f(f))",
        "(_ for _ in ()).throw(GeneratorExit)",
    ],
    ids=["exit", "sys.exit", "interrupt", "recursion", "generator exit"],
)
def test_no_exception_of_a_handler_ends_the_server(evaluator, evaluate, code):
    assert evaluate(code).status == 500
    assert evaluate("'on'").text == "on"
    assert evaluator.alive


def test_returned_exception_counts_as_raised(evaluate):
    assert evaluate("ValueError('x')").status == 500


def test_stream_is_sent_in_chunks_as_it_is_made(evaluator):
    answer = evaluator.raw(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Code: count(2)\r\n\r\n"
    )

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"7\r\nline 0\n\r\n7\r\nline 1\n\r\n0\r\n\r\n"


def test_stream_to_http_1_0_ends_with_the_connection(evaluator):
    answer = evaluator.raw(b"GET / HTTP/1.0\r\nX-Code: count(2)\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body == b"line 0\nline 1\n"


def test_error_before_the_first_part_is_a_500(evaluate):
    assert evaluate("(1 / 0 for _ in [1])").status == 500


def test_error_after_the_first_part_cuts_the_connection(evaluator):
    answer = evaluator.raw(
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Code: (str(1 // n) for n in (1, 0))\r\n\r\n"
    )

    assert b"1\r\n1\r\n" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_event_older_helpers_build_an_answer(evaluate):
    headers = {"ce-type": "t", "ce-source": "s", "ce-id": "1", "ce-specversion": "1.0"}

    reply = evaluate("event.buildResponseCloudEvent('2', 'r', {'a': 1})", headers=headers)

    assert json.loads(reply.body) == {
        "type": "r",
        "source": "s",
        "eventtypeversion": None,
        "specversion": "1.0",
        "id": "2",
        "data": {"a": 1},
        "datacontenttype": "application/json",
    }
