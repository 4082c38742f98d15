import asyncio
import json
import socket
from contextlib import suppress

import pytest

from casemate.node import control_channel
from casemate.node.control_channel import (
    ControlChannel,
    RuntimeLoadFailed,
    RuntimeReady,
    RuntimeRetiring,
    parse_control_line,
)


def hear(*chunks, pause=0.01):
    """Send chunks from the sandbox's end; return the events and the channel."""

    async def scenario():
        ours, theirs = socket.socketpair()
        theirs.settimeout(2)
        events = []
        channel = ControlChannel(ours, events.append)
        with theirs, suppress(BrokenPipeError, ConnectionResetError):
            for chunk in chunks:
                await asyncio.to_thread(theirs.sendall, chunk)
                await asyncio.sleep(pause)
        await asyncio.sleep(0.05)
        channel.close()
        return events, channel

    return asyncio.run(scenario())


def test_the_three_events_arrive_in_order():
    events, channel = hear(
        b'{"event":"ready"}\n{"event":"retiring","reason":"DeadlineExceeded"}\n',
        b'{"event":"load_failed","reason":"SyntaxError","message":"handler.py:3"}\n',
    )

    assert events == [
        RuntimeReady(),
        RuntimeRetiring(),
        RuntimeLoadFailed("SyntaxError: handler.py:3"),
    ]
    assert channel.malformed == 0


def test_line_in_pieces_is_one_event():
    events, _ = hear(b'{"event":', b'"ready"', b"}\n")

    assert events == [RuntimeReady()]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"null",
        b"[]",
        b'"ready"',
        b'{"event":"reboot"}',
        b'{"event":["ready"]}',
        b'{"event":{"ready":1}}',
        b"[" * 8000,
        b"\xff\xfe",
        b'{"event":' + b"9" * 5000 + b"}",
    ],
)
def test_malformed_line_is_no_event(line):
    assert parse_control_line(line) is None


def test_malformed_lines_are_counted_and_what_follows_still_counts():
    events, channel = hear(b'junk\n{"event":"dance"}\n{"event":"ready"}\n')

    assert events == [RuntimeReady()]
    assert channel.malformed == 2


@pytest.mark.parametrize(
    "flood",
    [b'{"event":"ready"}\n' * 10_000, b"x" * 1_000_000, b"\n" * 500_000],
    ids=["events", "one-line", "empty-lines"],
)
def test_flood_closes_the_channel_for_good(flood):
    events, channel = hear(flood)

    assert channel.overflowed
    assert channel._channel.fileno() == -1
    assert len(events) <= control_channel.MAX_LINES


def test_message_of_the_runtime_is_bounded_and_safe_to_show():
    spoken = {
        "event": "load_failed",
        "reason": "\x1b[2J" * 100,
        "message": "a\r\n\x07b" + "x" * 5000,
    }

    event = parse_control_line(json.dumps(spoken).encode())

    assert "\x1b" not in event.message
    assert "a \\x07bxxx" in event.message
    assert len(event.message) <= 570


@pytest.mark.parametrize("wrong", [None, 3, ["x"], {"a": 1}])
def test_load_failure_without_readable_text_is_still_one(wrong):
    line = json.dumps({"event": "load_failed", "reason": "ImportError", "message": wrong}).encode()

    assert parse_control_line(line) == RuntimeLoadFailed("ImportError")


def test_end_of_the_sandbox_closes_the_channel():
    _, channel = hear(b'{"event":"ready"}\n')

    assert channel._channel.fileno() == -1
    assert not channel.overflowed
