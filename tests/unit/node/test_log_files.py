import asyncio
import os
import resource
import stat
from pathlib import Path

import pytest

from casemate.node import log_files, rotating_file
from casemate.node.log_files import InvalidLogName, LogStore
from casemate.node.log_records import LogRecord, parse_stored_line
from casemate.node.rotating_file import RotatingFile, Rotation


def record(number, *, instance="hello-1", message="line"):
    time = f"2026-01-01T00:00:00.{number:06d}Z"
    return LogRecord(time, "stdout", instance, f"{message} {number}")


def with_store(log_dir, use, **options):
    """Run `use(store)` on a loop with a started store; everything is on the disk afterwards."""

    async def scenario():
        store = LogStore(log_dir, **options)
        store.start()
        try:
            await use(store)
        finally:
            await store.close()
        return store

    return asyncio.run(scenario())


def records_of(path):
    return [parse_stored_line(line) for line in path.read_bytes().splitlines()]


def test_lines_go_to_the_instances_own_file_that_only_we_can_read(tmp_path):
    async def use(store):
        log = store.open("shop", "hello", "hello-1")
        log.append(record(1).json_line(), 1)
        log.close()

    with_store(tmp_path / "logs", use)

    path = tmp_path / "logs" / "shop" / "hello" / "hello-1.log"
    assert records_of(path) == [record(1)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_rotation_keeps_the_newest_bytes_and_no_more_files_than_allowed(tmp_path):
    rotation = Rotation(max_bytes=1000, max_files=3)

    async def use(store):
        log = store.open("shop", "hello", "hello-1")
        for number in range(200):
            log.append(record(number).json_line(), 1)

    with_store(tmp_path, use, rotation=rotation)

    files = sorted(path.name for path in (tmp_path / "shop" / "hello").iterdir())
    sizes = [path.stat().st_size for path in (tmp_path / "shop" / "hello").iterdir()]
    assert files == ["hello-1.log", "hello-1.log.1", "hello-1.log.2"]
    assert max(sizes) <= 1000
    assert records_of(tmp_path / "shop" / "hello" / "hello-1.log")[-1] == record(199)


def test_only_one_file_when_only_one_is_allowed(tmp_path):
    file = RotatingFile(tmp_path / "x.log", Rotation(max_bytes=10, max_files=1))
    for line in (b"12345678\n", b"abcdefgh\n"):
        assert file.write(line) == ""
    file.close()

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"abcdefgh\n"]


def test_tail_reads_the_newest_across_rotated_files_in_order(tmp_path):
    async def use(store):
        log = store.open("shop", "hello", "hello-1")
        for number in range(100):
            log.append(record(number).json_line(), 1)

    store = with_store(tmp_path, use, rotation=Rotation(max_bytes=1000, max_files=5))

    assert store.tail("shop", "hello", limit=30) == [record(number) for number in range(70, 100)]
    assert store.tail("shop", "unknown", limit=30) == []


def test_tail_skips_torn_lines(tmp_path):
    folder = tmp_path / "shop" / "hello"
    folder.mkdir(parents=True)
    (folder / "a.log").write_bytes(b'{"time":\n' + record(1).json_line())

    assert LogStore(tmp_path).tail("shop", "hello", limit=5) == [record(1)]


def test_ended_instances_beyond_the_newest_are_deleted_with_their_rotated_files(tmp_path):
    folder = tmp_path / "shop" / "hello"
    folder.mkdir(parents=True)
    for age in range(6):
        for name in (f"old-{age}.log", f"old-{age}.log.1"):
            (folder / name).write_bytes(b"x\n")
            os.utime(folder / name, (1000 - age, 1000 - age))

    async def use(store):
        store.open("shop", "hello", "new-1").append(record(1).json_line(), 1)

    with_store(tmp_path, use)

    assert sorted(path.name for path in folder.iterdir()) == [
        "new-1.log",
        "old-0.log",
        "old-0.log.1",
        "old-1.log",
        "old-1.log.1",
    ]


def test_log_of_a_live_instance_is_never_deleted(tmp_path):
    async def use(store):
        first = store.open("shop", "hello", "live")
        first.append(record(1).json_line(), 1)
        for number in range(8):
            ended = store.open("shop", "hello", f"crashed-{number}")
            ended.append(record(2).json_line(), 1)
            ended.close()

    with_store(tmp_path, use)

    names = {path.name for path in (tmp_path / "shop" / "hello").iterdir()}
    assert "live.log" in names
    assert len(names) <= 2 + log_files.KEPT_ENDED_INSTANCES


def test_full_disk_drops_lines_says_so_and_recovers_with_a_count(tmp_path, monkeypatch):
    monkeypatch.setattr(rotating_file, "RETRY_SECONDS", 0.0)
    problems = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def use(store):
        log = store.open("shop", "hello", "hello-1")
        log.append(record(1).json_line(), 1)
        await asyncio.sleep(0.1)
        # A file that may not grow refuses a write the way a full disk does: with an errno.
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
        try:
            for number in range(2, 6):
                log.append(record(number).json_line(), 1)
            await asyncio.sleep(0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log.append(record(6).json_line(), 1)
        await asyncio.sleep(0.1)

    store = with_store(tmp_path, use, on_problem=problems.append)

    found = records_of(tmp_path / "shop" / "hello" / "hello-1.log")
    assert [entry.message for entry in found] == [
        "line 1",
        "dropped 4 lines: they could not be written",
        "line 6",
    ]
    assert problems == ["log files cannot be written: File too large", ""]
    assert store.problem == ""


def test_device_without_space_is_a_problem_not_an_error():
    file = RotatingFile(Path("/dev/full"), Rotation())

    problem = file.write(b"x\n")
    file.close()

    assert problem == "log files cannot be written: No space left on device"


def test_disk_that_does_not_keep_up_costs_lines_and_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_WAITING_BYTES_OF_A_FILE", 1000)
    store = LogStore(tmp_path)  # never started: nothing leaves the queue
    log = store.open("shop", "hello", "hello-1")

    for number in range(1000):
        log.append(record(number).json_line(), 1)

    assert log.waiting_bytes <= 1000
    assert log.dropped > 900


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", "a\n", "x" * 300])
def test_name_that_is_no_single_path_segment_is_refused(tmp_path, name):
    store = LogStore(tmp_path)

    with pytest.raises(InvalidLogName):
        store.open(name, "hello", "hello-1")
    with pytest.raises(InvalidLogName):
        store.open("shop", "hello", name)


def test_removing_a_function_removes_its_logs_only(tmp_path):
    async def use(store):
        for function in ("hello", "other"):
            store.open("shop", function, "x-1").append(record(1).json_line(), 1)

    store = with_store(tmp_path, use)
    store.remove("shop", "hello")

    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["other"]


def test_symbolic_link_in_place_of_a_log_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    folder = tmp_path / "logs" / "shop" / "hello"
    folder.mkdir(parents=True)
    (folder / "hello-1.log").symlink_to(victim)

    async def use(store):
        store.open("shop", "hello", "hello-1").append(record(1).json_line(), 1)

    store = with_store(tmp_path / "logs", use)

    assert victim.read_bytes() == b"precious"
    assert store.problem.startswith("log files cannot be written")
