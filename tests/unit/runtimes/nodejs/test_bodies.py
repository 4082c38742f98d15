"""Request bodies: what each content type becomes, and what is refused."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import closing

import pytest

from support.node_runtime import start_node

ECHO = """
exports.main = ({ data, extensions }) => ({
  data: Buffer.isBuffer(data) ? { bytes: data.toString('latin1') } : data, kind: typeof data,
  body: typeof extensions.request.body,
});"""


@pytest.fixture(scope="module")
def echo():
    with start_node(ECHO) as runtime:
        yield runtime.wait_ready()


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/json; charset=UTF-8", '{"a": "ü"}'.encode(), {"a": "ü"}),
        ("application/json; charset=utf-16le", '{"a": 1}'.encode("utf-16le"), {"a": 1}),
        ("application/json", b"3", 3),
        ("application/json", b"", {}),
        ("text/plain", b"hello", "hello"),
        ("text/plain; charset=iso-8859-1", b"\xe9", "é"),
        ("text/xml", b"\xef\xbb\xbf<a/>", "<a/>"),
        ("application/x-www-form-urlencoded", b"a=1&b[c]=2&b[d]=3", {"a": "1", "b": {"c": "2", "d": "3"}}),
        ("application/octet-stream", b"\x00\xff", {"bytes": "\x00\xff"}),
        ("application/vnd.api+json", b"{}", {"bytes": "{}"}),
        ("", b"raw", {"bytes": "raw"}),
    ],
)  # fmt: skip
def test_the_content_type_decides_what_data_is(echo, content_type, body, data):
    reply = echo.call("POST", "/", body, {"Content-Type": content_type} if content_type else {})

    assert (reply.status, reply.json()["data"]) == (200, data)


def test_without_a_body_there_is_no_data(echo):
    reply = echo.call("GET")

    assert reply.json() == {"kind": "undefined", "body": "undefined"}


def test_multipart_is_left_to_the_handler(echo):
    reply = echo.call("POST", "/", b"--x--", {"Content-Type": "multipart/form-data; boundary=x"})

    assert reply.json() == {"kind": "undefined", "body": "object"}


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
def test_compressed_bodies_are_decompressed(echo, encoding, encode):
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    reply = echo.call("POST", "/", encode(b'{"z": 1}'), headers)

    assert reply.json()["data"] == {"z": 1}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param({"Content-Type": "application/json"}, b"{", 400, id="not JSON"),
        pytest.param({"Content-Type": "application/json; charset=latin1"}, b"{}", 415, id="charset of JSON"),
        pytest.param({"Content-Type": "text/plain; charset=klingon"}, b"x", 415, id="unknown charset"),
        pytest.param({"Content-Encoding": "zstd+x"}, b"x", 415, id="unknown encoding"),
        pytest.param({"Content-Encoding": "gzip"}, b"not gzip", 400, id="not what it says"),
        pytest.param({"Content-Encoding": "gzip"}, gzip.compress(bytes(1 << 21)), 413, id="bomb"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, b"&".join([b"a=1"] * 1001), 413, id="fields"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, b"a" + b"[b]" * 40 + b"=1", 400, id="depth"),
        pytest.param({}, bytes((1 << 20) + 1), 413, id="declared length"),
    ],
)  # fmt: skip
def test_unusable_bodies_are_refused_with_a_problem(echo, headers, body, status):
    reply = echo.call("POST", "/", body, headers)

    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert set(reply.json()) == {"type", "title", "status", "detail", "request_id"}


def test_the_whole_limit_is_accepted(echo):
    reply = echo.call("POST", "/", bytes(1 << 20))

    assert reply.status == 200


def test_a_chunked_body_is_read_and_limited(echo):
    small = echo.call("POST", "/", iter([b'{"a"', b": 1}"]), {"Content-Type": "application/json"})
    large = echo.call("POST", "/", iter([bytes(1 << 19)] * 3), {})

    assert small.json()["data"] == {"a": 1}
    assert large.status == 413


def test_the_limit_is_a_setting():
    with start_node(ECHO, REQ_MB_LIMIT="0.001") as runtime:
        reply = runtime.wait_ready().call("POST", "/", bytes(2000))

    assert reply.status == 413


def test_expect_continue_is_answered_before_the_body_is_sent(echo):
    with closing(echo.connect()) as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "2")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        interim = connection.sock.recv(100)
        connection.send(b"{}")
        reply = connection.getresponse()
        body = reply.read()

    assert interim.startswith(b"HTTP/1.1 100 Continue")
    assert (reply.status, json.loads(body)["data"]) == (200, {})


def test_too_large_a_body_is_refused_before_it_is_sent(echo):
    head = b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"

    received = echo.raw(head)

    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.count(b"HTTP/1.1") == 1


def test_a_form_cannot_reach_a_prototype(echo):
    body = b"__proto__[polluted]=1&constructor[prototype][polluted]=1&a=1"

    echo.call("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
    reply = echo.call("POST", "/", b"{}", {"Content-Type": "application/json"})

    assert "polluted" not in reply.json()["data"]
