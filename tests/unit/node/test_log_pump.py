import asyncio
import os
import threading
import time
from contextlib import asynccontextmanager

import pytest

from casemate.node.log_files import LogStore
from casemate.node.log_hub import LogHub
from casemate.node.log_pump import FunctionLog, LogLimits, LogPump

SMALL = LogLimits(
    stored_bytes_per_second=20_000,
    stored_burst_bytes=20_000,
    read_bytes_per_second=2_000_000,
    read_burst_bytes=500_000,
)


class Pumped:
    """One pumped instance: write to `stdout` and `stderr`, read `messages`."""

    def __init__(self, store, hub, limits):
        self.log = FunctionLog("shop", "hello", store=store, hub=hub, limits=limits)
        self.store = store
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self._read_ends = [out, err]
        self.pump = LogPump(self.log, "hello-1", stdout_fd=out, stderr_fd=err)

    def end(self):
        for name in ("stdout", "stderr"):
            if getattr(self, name) is not None:
                os.close(getattr(self, name))
                setattr(self, name, None)

    async def finish(self, seconds=5.0):
        self.end()
        await self.pump.drained(seconds)
        self.pump.close()
        for fd in self._read_ends:
            os.close(fd)


@asynccontextmanager
async def pumped(log_dir, *, limits=None):
    store, hub = LogStore(log_dir), LogHub()
    store.start()
    one = Pumped(store, hub, limits)
    one.hub = hub
    try:
        yield one
    finally:
        await store.close()


def stored(log_dir, limit=1_000_000):
    return LogStore(log_dir).tail("shop", "hello", limit=limit)


def flood(fd, seconds, line=b"y" * 60 + b"\n"):
    """Write as fast as the pipe takes it; return the bytes that went in."""
    chunk, written, end = line * 1000, 0, time.monotonic() + seconds
    os.set_blocking(fd, False)
    while time.monotonic() < end:
        try:
            written += os.write(fd, chunk)
        except BlockingIOError:
            time.sleep(0.001)
    return written


def test_both_streams_are_stored_line_by_line_and_followed(tmp_path):
    async def scenario():
        async with pumped(tmp_path) as one:
            follower = one.hub.follow()
            os.write(one.stdout, b'hello\n{"request_id":"r1","message":"asked"}\nopen end')
            os.write(one.stderr, b"oh no\n")
            await one.finish()
            follower.close()
            return [(f.record.stream, f.record.message) async for f in follower]

    followed = asyncio.run(scenario())

    found = [(record.stream, record.message) for record in stored(tmp_path)]
    assert sorted(found) == sorted(followed)
    assert [message for stream, message in found if stream == "stdout"] == [
        "hello",
        "asked",
        "open end",
    ]
    assert ("stderr", "oh no") in found


def test_ordinary_output_loses_nothing_even_at_the_end(tmp_path):
    async def scenario():
        async with pumped(tmp_path) as one:
            writer = threading.Thread(
                target=lambda: [os.write(one.stdout, b"line %d\n" % n) for n in range(10_000)]
            )
            writer.start()
            await asyncio.to_thread(writer.join)
            await one.finish()

    asyncio.run(scenario())

    assert [record.message for record in stored(tmp_path)] == [f"line {n}" for n in range(10_000)]


def test_line_without_end_is_cut_and_marked(tmp_path):
    async def scenario():
        async with pumped(tmp_path) as one:
            writer = threading.Thread(target=os.write, args=(one.stdout, b"x" * 40_000 + b"\n"))
            writer.start()
            await asyncio.to_thread(writer.join)
            await one.finish()

    asyncio.run(scenario())

    assert [(len(record.message), record.partial) for record in stored(tmp_path)] == [
        (16_384, True),
        (16_384, True),
        (7_232, False),
    ]


@pytest.mark.parametrize(
    "line", [b"y" * 60 + b"\n", b"\n", b"z" * 5000], ids=["lines", "empty-lines", "no-line-end"]
)
def test_flood_is_bounded_on_disk_and_visible_and_leaves_the_loop_free(tmp_path, line):
    async def scenario():
        async with pumped(tmp_path, limits=SMALL) as one:
            flooder = asyncio.ensure_future(asyncio.to_thread(flood, one.stdout, 1.5, line))
            worst, last = 0.0, time.monotonic()
            while not flooder.done():
                await asyncio.sleep(0.005)
                worst, last = max(worst, time.monotonic() - last), time.monotonic()
            await one.finish()
            return flooder.result(), worst

    written, worst_turn_seconds = asyncio.run(scenario())

    files = (tmp_path / "shop" / "hello").iterdir()
    assert written <= 2_000_000 * 1.6 + 500_000 + 1_100_000
    assert sum(path.stat().st_size for path in files) < 150_000
    assert any("dropped" in record.message for record in stored(tmp_path))
    assert worst_turn_seconds < 0.25


def test_dropped_lines_and_stored_lines_add_up(tmp_path):
    def write_numbered(fd):
        for _ in range(200):
            os.write(fd, b"y" * 60 + b"\n")
            os.write(fd, (b"z" * 20 + b"\n") * 100)

    async def scenario():
        async with pumped(tmp_path, limits=SMALL) as one:
            await asyncio.to_thread(write_numbered, one.stdout)
            await one.finish()

    asyncio.run(scenario())

    records = stored(tmp_path)
    dropped = sum(int(record.message.split()[1]) for record in records if record.stream == "node")
    kept = sum(1 for record in records if record.stream == "stdout")
    assert dropped > 10_000
    assert kept + dropped == 200 * 101


def test_after_a_flood_lines_are_stored_again(tmp_path):
    async def scenario():
        async with pumped(tmp_path, limits=SMALL) as one:
            await asyncio.to_thread(flood, one.stdout, 0.2)
            await asyncio.sleep(1.3)
            os.write(one.stdout, b"\ncalm again\n")
            await one.finish()

    asyncio.run(scenario())

    assert stored(tmp_path)[-1].message == "calm again"


def test_flooding_function_does_not_cost_another_its_lines(tmp_path):
    async def scenario():
        async with pumped(tmp_path, limits=SMALL) as loud:
            quiet = Pumped(loud.store, loud.hub, SMALL)
            quiet.log._function = "quiet"
            flooder = asyncio.ensure_future(asyncio.to_thread(flood, loud.stdout, 0.5))
            for number in range(20):
                os.write(quiet.stdout, b"%d\n" % number)
                await asyncio.sleep(0.02)
            await flooder
            follower = loud.hub.follow(function="quiet")
            os.write(quiet.stdout, b"last\n")
            last = await asyncio.wait_for(anext(follower), 1)
            await quiet.finish()
            await loud.finish()
            return last.record.message

    assert asyncio.run(scenario()) == "last"


def test_closing_does_not_wait_for_a_pipe_that_stays_open(tmp_path):
    async def scenario():
        async with pumped(tmp_path) as one:
            os.write(one.stdout, b"said\n")
            await asyncio.sleep(0.05)
            await one.pump.drained(0.05)
            one.pump.close()
            one.pump.close()
            one.end()

    asyncio.run(scenario())

    assert [record.message for record in stored(tmp_path)] == ["said"]


def test_note_of_the_node_stands_in_the_instances_log(tmp_path):
    async def scenario():
        async with pumped(tmp_path) as one:
            one.pump.note("killed: liveness probe failed 3 times")
            await one.finish()

    asyncio.run(scenario())

    (record,) = stored(tmp_path)
    assert (record.stream, record.message) == ("node", "killed: liveness probe failed 3 times")
