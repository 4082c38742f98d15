"""Who holds the engine's lock, and what happens to a number that is used again."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

import pytest

from casemate.cli.background import EngineDidNotStop, log_tail, running_engine, stop_engine

HOLDER = """
import fcntl, os, signal, sys
if len(sys.argv) > 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
os.pwrite(fd, f"{os.getpid()}\\n".encode(), 0)
print("held", flush=True)
signal.pause()
"""


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.setenv("CASEMATE_RUN_DIR", str(tmp_path))
    return tmp_path / "engine.lock"


@pytest.fixture
def holder(lock):
    started = []

    def start(*more: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", HOLDER, str(lock), *more]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        process.stdout.readline()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_without_a_lock_no_engine_runs(lock):
    assert running_engine() is None


def test_a_lock_that_nobody_holds_is_no_engine(lock):
    lock.write_text(f"{os.getpid()}\n")

    assert running_engine() is None


def test_the_holder_of_the_lock_is_the_engine_and_ends_when_asked(holder):
    process = holder()
    assert running_engine() == process.pid

    stop_engine(process.pid, 10)

    assert process.wait(5) == -15
    assert running_engine() is None


def test_a_process_that_does_not_hold_the_lock_is_never_signalled(lock):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stop_engine(bystander.pid, 1)

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_engine_that_does_not_end_in_time_is_told(holder):
    process = holder("deaf")

    with pytest.raises(EngineDidNotStop, match=str(process.pid)):
        stop_engine(process.pid, 0.2)


def test_an_engine_that_is_gone_already_is_fine(holder):
    process = holder()
    process.kill()
    process.wait()

    stop_engine(process.pid, 1)


def test_the_end_of_a_log_is_its_last_lines(tmp_path):
    log = tmp_path / "engine.log"
    log.write_text("".join(f"line {number}\n" for number in range(40)))

    assert log_tail(log).splitlines()[-1] == "line 39"
    assert len(log_tail(log).splitlines()) == 12
    assert log_tail(tmp_path / "none") == ""


def test_another_user_of_the_lock_file_does_not_block_the_question(lock):
    lock.write_text("")
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)

        assert running_engine() is None
