"""Messages made to be cut apart differently by two parsers: refused, or rewritten without doubt.

Our own collection after the classes that are publicly known (length against chunks, duplicate and
obfuscated framing, bare CR and LF, NUL, folded lines, odd versions and methods, absolute form).
Each is sent whole in one packet and once more byte by byte, because a parser's answer must not
depend on how packets fall.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.gateway_process import GatewayProcess, a_route, read_all, statuses
from support.instance import Instance

URL = b"/default/open"
GET = b"GET /default/open HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /default/open HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /default/open/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
END = b"0\r\n\r\n"

# Not one byte of these reaches the Function.
REFUSED = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
    "chunks and length": CHUNKED + b"Content-Length: 4\r\n\r\n" + END + HIDDEN,
    "length and unknown coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: x\r\n\r\n" + END,
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two different lengths": POST + b"Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc",
    "length list": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "length with plus": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "underscored length": POST + b"Content-Length: 1_0\r\n\r\n0123456789",
    "fractional length": POST + b"Content-Length: 3.0\r\n\r\nabc",
    "length with inner space": POST + b"Content-Length: 3 4\r\n\r\nabc",
    "empty length": POST + b"Content-Length: \r\n\r\nabc",
    "enormous length": POST + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "length in other digits": POST + "Content-Length: ٣\r\n\r\nabc".encode(),
    "two codings in two fields": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n" + END,
    "chunked then identity": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + END,
    "chunked twice in one field": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END,
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + END,
    "chunked after gzip": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END,
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n" + END,
    "almost chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + END,
    "quoted chunked": POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + END,
    "chunked with parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + END,
    "chunked behind a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n" + END,
    "empty coding": POST + b"Transfer-Encoding:\r\n\r\n" + END,
    "coding with space before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + END,
    "coding with tab before colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n" + END,
    "coding with leading space": POST + b" Transfer-Encoding: chunked\r\n\r\n" + END,
    "coding folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END,
    "coding with NUL": POST + b"Transfer-Encoding: chunked\x00\r\n\r\n" + END,
    "coding in HTTP/1.0": CHUNKED.replace(b"/1.1", b"/1.0") + b"\r\n" + END,
    "folded value": GET + b"X: a\r\n b\r\n\r\n",
    "folded with tab": GET + b"X: a\r\n\tb\r\n\r\n",
    "folded first line": b"GET /default/open HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "bare LF after request line": GET.replace(b"1.1\r\n", b"1.1\n") + b"\r\n",
    "bare LF after field": GET + b"X: a\nY: b\r\n\r\n",
    "bare LF at the end": GET + b"X: a\n\n",
    "bare LF for the empty line": GET + b"\n",
    "bare LF everywhere": GET.replace(b"\r\n", b"\n") + b"\n",
    "bare CR in value": GET + b"X: a\rY: b\r\n\r\n",
    "bare CR at line end": GET + b"X: a\r\r\n\r\n",
    "bare CR in request line": GET.replace(b" HTTP", b"\r HTTP") + b"\r\n",
    "NUL in value": GET + b"X: a\x00b\r\n\r\n",
    "NUL in name": GET + b"X\x00: a\r\n\r\n",
    "NUL in address": GET.replace(b"open", b"open/\x00") + b"\r\n",
    "control character in value": GET + b"X: a\x01\r\n\r\n",
    "leading LF": b"\n" + GET + b"\r\n",
    "leading CRLF": b"\r\n" + GET + b"\r\n",
    "leading space": b" " + GET + b"\r\n",
    "no field name": GET + b": a\r\n\r\n",
    "no colon": GET + b"Xabc\r\n\r\n",
    "space in field name": GET + b"X Y: a\r\n\r\n",
    "no host": b"GET /default/open HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: localhost\r\n\r\n",
    "two different hosts": GET + b"Host: hello.default.localhost\r\n\r\n",
    "host list": b"GET /default/open HTTP/1.1\r\nHost: localhost, evil\r\n\r\n",
    "host with path": b"GET /default/open HTTP/1.1\r\nHost: localhost/x\r\n\r\n",
    "absolute form": b"GET http://evil" + URL + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "authority form": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN,
    "asterisk form": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TRACE": GET.replace(b"GET", b"TRACE") + b"\r\n",
    "lower-case method": GET.replace(b"GET", b"get") + b"\r\n",
    "unknown method": GET.replace(b"GET", b"GETX") + b"\r\n",
    "HTTP/0.9": b"GET /default/open\r\n\r\n",
    "HTTP/0.9 named": GET.replace(b"/1.1", b"/0.9") + b"\r\n",
    "HTTP/1.2": GET.replace(b"/1.1", b"/1.2") + b"\r\n",
    "HTTP/2.0": GET.replace(b"/1.1", b"/2.0") + b"\r\n",
    "HTTP/1.10": GET.replace(b"/1.1", b"/1.10") + b"\r\n",
    "version without dot": GET.replace(b"/1.1", b"/11") + b"\r\n",
    "lower-case version": GET.replace(b"HTTP", b"http") + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "words after version": GET.replace(b"/1.1", b"/1.1 x") + b"\r\n",
    "space in address": GET.replace(b"open", b"open /x") + b"\r\n",
    "tab for space": GET.replace(b"GET ", b"GET\t") + b"\r\n",
    "upgrade with a body": POST
    + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc",
    "upgrade with chunks": CHUNKED + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + END,
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00",
}
# The head is in order, so a Function that streams may see it when the body comes later; the body's
# end is never reported, and whole in one packet not even the head is passed on.
BROKEN_BODIES = {
    "chunk size with 0x": b"0x3\r\nabc\r\n" + END,
    "negative chunk size": b"-3\r\nabc\r\n" + END,
    "chunk size with plus": b"+3\r\nabc\r\n" + END,
    "chunk size with space": b"3 \r\nabc\r\n" + END,
    "chunk size with leading space": b" 3\r\nabc\r\n" + END,
    "enormous chunk size": b"fffffffffffffffff\r\nabc\r\n" + END,
    "chunk size ended by LF": b"3\nabc\r\n" + END,
    "chunk ended by LF": b"3\r\nabc\n" + END,
    "chunk longer than its size": b"3\r\nabcd\r\n" + END,
    "extension with bare LF": b"3;a\nb\r\nabc\r\n" + END,
    "extension with NUL": b"3;a=\x00\r\nabc\r\n" + END,
    "length in a trailer": b"0\r\nContent-Length: 5\r\n\r\n",
    "bare LF in a trailer": b"0\r\nX: a\nY: b\r\n\r\n",
    "folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
}
# In order, if unusual; each reaches the Function as exactly one plain request.
REWRITTEN = {
    "chunk extension": (CHUNKED + b"\r\n3;a=b\r\nabc\r\n" + END, b"abc"),
    "trailers": (CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX-Casemate-Principal: root\r\n\r\n", b"abc"),
    "length with zeros": (POST + b"Content-Length: 003\r\n\r\nabc", b"abc"),
    "chunked in capitals": (POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n" + END, b"abc"),
    "two spaces after method": (GET.replace(b"GET ", b"GET  ") + b"\r\n", b""),
    "value in other bytes": (GET + b"X: \xe9\r\n\r\n", b""),
}


@pytest.fixture(scope="module")
def open_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, Path]]:
    folder = tmp_path_factory.mktemp("http")
    limits = {"head_seconds": 1.0, "idle_seconds": 1.0, "linger_seconds": 0.1}
    limits |= {"sweep_seconds": 0.05, "body_window_seconds": 0.5}
    with GatewayProcess(folder / "log", **limits) as door:
        yield door, folder


@pytest.fixture
def reached(open_door: tuple[GatewayProcess, Path], tmp_path: Path) -> Iterator[Instance]:
    door, folder = open_door
    with Instance(folder / f"{abs(hash(tmp_path)):x}.sock") as instance:
        door.publish(a_route("open", public=True, sockets=[str(instance.path)]))
        yield instance


def sent(door: GatewayProcess, message: bytes, *, byte_by_byte: bool) -> list[int]:
    with door.connect() as connection:
        try:
            if byte_by_byte:
                for byte in message:
                    connection.sendall(bytes((byte,)))
            else:
                connection.sendall(message)
            connection.sendall(HIDDEN)
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.settimeout(5)
        return statuses(read_all(connection))


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("name", REFUSED)
def test_doubtful_message_reaches_nobody_and_ends_the_connection(
    open_door: tuple[GatewayProcess, Path], reached: Instance, name: str, *, byte_by_byte: bool
) -> None:
    answers = sent(open_door[0], REFUSED[name], byte_by_byte=byte_by_byte)

    assert not reached.seen
    assert answers in ([400], [501], [])


@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_broken_body_in_one_packet_reaches_nobody(
    open_door: tuple[GatewayProcess, Path], reached: Instance, name: str
) -> None:
    answers = sent(open_door[0], CHUNKED + b"\r\n" + BROKEN_BODIES[name], byte_by_byte=False)

    assert not reached.seen
    assert answers == [400]


@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_broken_body_that_comes_later_is_never_whole_for_the_function(
    open_door: tuple[GatewayProcess, Path], reached: Instance, name: str
) -> None:
    door = open_door[0]
    with door.connect() as connection:
        connection.sendall(CHUNKED + b"\r\n")
        time.sleep(0.05)
        connection.sendall(BROKEN_BODIES[name])
        answers = statuses(read_all(connection))

    assert not reached.seen
    assert answers == [400]


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("name", REWRITTEN)
def test_unusual_message_reaches_the_function_as_one_plain_request(
    open_door: tuple[GatewayProcess, Path], reached: Instance, name: str, *, byte_by_byte: bool
) -> None:
    message, body = REWRITTEN[name]

    answers = sent(open_door[0], message, byte_by_byte=byte_by_byte)

    assert answers == [200, 200]
    assert [seen.line.split()[1] for seen in reached.seen] == ["/", "/hidden"]
    assert reached.seen[0].body == body
    assert not reached.seen[0].values("x-casemate-principal")
