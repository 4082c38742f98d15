"""Bytes on the wire: one reading of every request, or 400 and the end of the connection."""

import re
import socket

import pytest

from support.python_runtime import start_python

ECHO = """
def main(event, context):
    request = event["extensions"]["request"]
    return {"method": request.method, "path": request.path, "query": dict(request.query),
            "body": request.body.read().decode("latin-1")}
"""


@pytest.fixture(scope="module")
def echo():
    with start_python(ECHO, {"FUNC_MEMFILE_MAX": "100000"}) as runtime:
        yield runtime.wait_ready()


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


REFUSED = {
    "length and coding": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two different lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding list": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity coding": b"Transfer-Encoding: identity\r\n\r\n",
    "chunked and a tail": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "negative length": b"Content-Length: -1\r\n\r\n",
    "signed length": b"Content-Length: +3\r\n\r\nabc",
    "length list": b"Content-Length: 3, 3\r\n\r\nabc",
    "space before the colon": b"Content-Length : 3\r\n\r\nabc",
    "folded header": b"X-A: one\r\n two\r\n\r\n",
    "null in a value": b"X-A: o\x00ne\r\n\r\n",
    "bare return in a value": b"X-A: o\rne\r\n\r\n",
    "bare line feed": b"X-A: one\nX-B: two\r\n\r\n",
    "header without a name": b": one\r\n\r\n",
    "two hosts": b"Host: other\r\n\r\n",
    "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "chunk longer than said": b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED)
def test_ambiguous_request_is_refused_and_the_connection_ends(echo, head):
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = echo.raw(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + smuggled)

    assert statuses(answer) == [400]
    assert b"smuggled" not in answer


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/0.9", 505),
        (b"GET no-slash HTTP/1.1", 400),
        (b"BREW / HTTP/1.1", 400),
        (b"CONNECT host:80 HTTP/1.1", 405),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1", 414),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    ],
    ids=lambda value: repr(value[:14]) if isinstance(value, bytes) else str(value),
)
def test_unacceptable_request_line_is_refused(echo, line, status):
    answer = echo.raw(line + b"\r\nHost: x\r\n\r\n")

    assert statuses(answer)[:1] in ([status], [400])
    assert len(statuses(answer)) == 1


def test_too_large_headers_are_refused(echo):
    answer = echo.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 70000 + b"\r\n\r\n")

    assert statuses(answer) == [431]


def test_too_many_headers_are_refused(echo):
    headers = b"".join(b"X-%d: 1\r\n" % number for number in range(200))

    answer = echo.raw(b"GET / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")

    assert statuses(answer) == [431]


def test_announced_body_above_the_limit_is_refused_before_it_is_sent(echo):
    answer = echo.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n")

    assert statuses(answer) == [413]


def test_chunked_body_above_the_limit_is_refused(echo):
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"

    answer = echo.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 8
    )

    assert statuses(answer) == [413]


def test_body_at_the_limit_is_served(echo):
    reply = echo.call("POST", body=b"a" * 100000)

    assert reply.status == 200
    assert len(reply.json()["body"]) == 100000


def test_chunked_request_body_is_joined(echo):
    answer = echo.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )

    assert b'"body": "abcde"' in answer


def test_request_in_single_bytes_is_served(echo):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(5)
        stream.connect(echo.requests_path)
        for byte in b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok":
            stream.sendall(bytes([byte]))

        answer = stream.recv(65536)

    assert b'"path": "/slow"' in answer
    assert b'"body": "ok"' in answer


def test_pipelined_requests_are_answered_in_order(echo):
    requests = [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20)]
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    answer = echo.raw(b"".join([*requests, last]))

    paths = re.findall(rb'"path": "/(\w+)"', answer)
    assert paths == [b"%d" % number for number in range(20)] + [b"last"]


def test_whole_request_before_garbage_is_answered(echo):
    answer = echo.raw(b"GET /good HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01garbage\r\n\r\n")

    assert statuses(answer)[0] == 200
    assert len(statuses(answer)) == 1


def test_connection_is_kept_for_the_next_request(echo):
    connection = echo.connect()

    first = connection.call("GET", "/1")
    socket_of_first = connection.sock
    second = connection.call("GET", "/2")
    kept = connection.sock is socket_of_first
    connection.close()

    assert (first.json()["path"], second.json()["path"]) == ("/1", "/2")
    assert kept


def test_http_1_0_ends_the_connection(echo):
    answer = echo.raw(b"GET / HTTP/1.0\r\n\r\n")

    assert statuses(answer) == [200]
    assert b"Connection: close" in answer


def test_expectation_is_confirmed_before_the_body_comes(echo):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(5)
        stream.connect(echo.requests_path)
        stream.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        interim = stream.recv(65536)
        stream.sendall(b"ok")

        answer = stream.recv(65536)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b'"body": "ok"' in answer


def test_expectation_with_a_body_above_the_limit_is_refused_at_once(echo):
    answer = echo.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"
    )

    assert statuses(answer) == [413]


def test_unknown_expectation_is_refused(echo):
    answer = echo.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 200\r\n\r\n")

    assert statuses(answer) == [417]


def test_head_is_answered_without_a_body(echo):
    answer = echo.raw(b"HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b""
    assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 0


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_ordinary_method_reaches_the_handler(echo, method):
    assert echo.call(method, "/m").json()["method"] == method


def test_absolute_target_is_read_as_its_path(echo):
    answer = echo.raw(b"GET http://host/a/b?c=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert b'"path": "/a/b"' in answer
    assert b'"c": "d"' in answer


def test_upgrade_is_ignored_and_the_request_answered(echo):
    answer = echo.raw(
        b"GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )

    assert statuses(answer) == [200]


def test_client_that_leaves_in_the_middle_harms_nobody(echo):
    for payload in (b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(echo.requests_path)
            stream.sendall(payload)

    assert echo.call().status == 200


def test_client_that_stops_sending_still_gets_its_answer(echo):
    answer = echo.raw(b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)

    assert b'"path": "/half"' in answer
