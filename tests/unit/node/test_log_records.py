import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.node.log_records import LineOrigin, LineSplitter, LogRecord, parse_stored_line

ORIGIN = LineOrigin("2026-01-01T00:00:00.000000Z", "stdout", "hello-1")


def lines_of(splitter):
    taken = []
    while (line := splitter.take()) is not None:
        taken.append(line)
    return taken


def test_text_line_is_the_message():
    record = ORIGIN.record(b"hello \xf0\x9f\x91\x8b")

    assert (record.message, record.request_id, record.stream) == ("hello 👋", "", "stdout")


def test_runtime_line_gives_request_id_level_and_message():
    line = json.dumps({"request_id": "r-1", "level": "INFO", "message": "paid", "function": "x"})

    record = ORIGIN.record(line.encode())

    assert (record.message, record.request_id, record.level) == ("paid", "r-1", "info")


@pytest.mark.parametrize(
    "line",
    [
        b'{"message": 3}',
        b'{"not": "ours"}',
        b"{broken",
        b"[" * 9000,
        b"{" + b'"a":{' * 5000,
        b'{"a":' + b"9" * 9000 + b"}",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_anything_else_is_plain_text(line):
    record = ORIGIN.record(line)

    assert record.message == line.decode("utf-8", "replace")
    assert record.request_id == ""


@pytest.mark.parametrize("forged", ["../x", "a b", "x" * 65, "\x1b[2J", "", 7, None])
def test_request_id_that_is_no_id_is_left_out(forged):
    line = json.dumps({"request_id": forged, "message": "m"}).encode()

    assert ORIGIN.record(line).request_id == ""


@given(st.binary(max_size=300), st.booleans())
def test_stored_line_reads_back_the_same_and_is_ascii(line, partial):
    record = ORIGIN.record(line, partial=partial)

    stored = record.json_line()

    assert parse_stored_line(stored) == record
    assert stored.isascii()
    assert stored.count(b"\n") == 1
    assert b"\x1b" not in stored


@pytest.mark.parametrize(
    "torn", [b"", b'{"time":"x"', b"null", b"[]", b'{"time":"x"}', b"[" * 9999]
)
def test_torn_line_is_no_record(torn):
    assert parse_stored_line(torn) is None


def test_notice_is_told_from_what_the_function_wrote():
    assert ORIGIN.notice("dropped 3 lines") == LogRecord(
        ORIGIN.time, "node", "hello-1", "dropped 3 lines", level="warning"
    )


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_lines_do_not_depend_on_how_they_were_read(chunks):
    whole, split = LineSplitter(16), LineSplitter(16)
    whole.feed(b"".join(chunks))
    taken = []
    for chunk in chunks:
        split.feed(chunk)
        taken += lines_of(split)

    assert taken == lines_of(whole)
    assert split.rest() == whole.rest()


def test_long_line_is_split_and_marked():
    splitter = LineSplitter(4)
    splitter.feed(b"abcdefghij\nok\r\n")

    assert lines_of(splitter) == [(b"abcd", True), (b"efgh", True), (b"ij", False), (b"ok", False)]


def test_line_of_exactly_the_limit_is_whole():
    splitter = LineSplitter(4)
    splitter.feed(b"abcd\n")

    assert lines_of(splitter) == [(b"abcd", False)]


def test_discarding_counts_each_line_once_and_resumes_at_a_line():
    splitter = LineSplitter()
    splitter.feed(b"one\ntwo\nthr")
    first = splitter.discard()
    splitter.feed(b"ee\nfour\nfi")
    second = splitter.discard()
    splitter.feed(b"ve\nsix\n")

    assert (first, second) == ((3, 11), (2, 10))
    assert lines_of(splitter) == [(b"six", False)]


def test_discarding_an_endless_line_counts_one():
    splitter = LineSplitter()
    counts = []
    for _ in range(3):
        splitter.feed(b"x" * 100)
        counts.append(splitter.discard())

    assert counts == [(1, 100), (0, 100), (0, 100)]
    assert splitter.rest() == b""
