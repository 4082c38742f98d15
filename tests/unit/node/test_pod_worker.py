import asyncio
import json
import os
import resource
import signal
import time
from contextlib import asynccontextmanager

import pytest

from casemate.api.conditions import ExitReason
from casemate.node import backoff, control_channel
from casemate.node.instance import InstanceHome
from casemate.node.log_files import LogStore
from casemate.node.log_hub import LogHub
from casemate.node.log_pump import FunctionLog
from casemate.node.pod_worker import PodWorker
from casemate.node.probes import ProbeRule, ProbeRules
from casemate.node.sockets import WorkerSockets
from casemate.node.worker_events import Phase
from support.local_sandbox import (
    LocalLauncher,
    a_worker_plan,
    busy_launcher,
    missing_runtime,
)


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("n")


@asynccontextmanager
async def a_worker(folder, plan):
    """Yield a started worker; everything it started is gone afterwards."""
    store = LogStore(folder / "logs")
    store.start()
    (folder / "run").mkdir()
    launcher = LocalLauncher()
    home = InstanceHome(
        plan,
        launcher,
        WorkerSockets(folder / "run", "w1"),
        FunctionLog("shop", "hello", store=store, hub=LogHub()),
    )
    changes = []
    worker = PodWorker("w1", home, on_change=changes.append)
    worker.launcher, worker.changes = launcher, changes
    try:
        yield worker
    finally:
        await worker.stop()
        await store.close()
        assert launcher.living() == []
        assert list((folder / "run").iterdir()) == []


async def call(worker, path="/"):
    """Ask as the gateway does; raises when the connection breaks."""
    reader, writer = await asyncio.open_unix_connection(worker.status.request_socket)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: f\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        return json.loads(await reader.read())
    finally:
        writer.close()


async def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.01)


def run(folder, plan, scenario):
    async def whole():
        async with a_worker(folder, plan) as worker:
            return await scenario(worker)

    return asyncio.run(whole())


def phases(worker):
    seen = []
    for change in worker.changes:
        if not seen or seen[-1] != change.phase:
            seen.append(change.phase)
    return seen


def test_worker_becomes_ready_answers_and_drains(folder):
    async def scenario(worker):
        worker.start()
        status = await worker.wait_for(Phase.READY)
        answer = await call(worker)
        await worker.drain()
        return status, answer, phases(worker), worker.status

    status, answer, seen, last = run(folder, a_worker_plan(), scenario)

    assert (status.instance, status.pid) == ("w1-1", answer["pid"])
    assert seen == [Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.STOPPED]
    assert last.last_termination.reason is ExitReason.STOPPED
    assert last.restarts == 0


def test_request_that_comes_before_the_instance_is_ready_waits_and_succeeds(folder):
    async def scenario(worker):
        worker.start()
        return await call(worker), worker.status.phase

    answer, _ = run(folder, a_worker_plan(), scenario)

    assert answer["revision"] == "r1"


def test_request_in_hand_is_finished_by_a_drain(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        slow = asyncio.ensure_future(call(worker, "/slow/300"))
        await asyncio.sleep(0.1)
        await worker.drain()
        return await slow

    assert run(folder, a_worker_plan(), scenario)["revision"] == "r1"


def test_drain_that_is_ignored_ends_in_a_kill_after_the_grace_period(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        started = time.monotonic()
        await worker.drain()
        return time.monotonic() - started, worker.status

    seconds, status = run(folder, a_worker_plan(mode="deaf", grace_seconds=1), scenario)

    assert 0.9 < seconds < 2
    assert status.last_termination.message == "did not end within 1 s of its drain"
    assert status.last_termination.signal == signal.SIGKILL


def test_handler_that_does_not_load_fails_for_good_with_its_reason(folder):
    async def scenario(worker):
        worker.start()
        status = await worker.wait_for(Phase.FAILED)
        await asyncio.sleep(0.2)
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            await call(worker)
        return status, len(worker.launcher.sandboxes)

    status, started = run(folder, a_worker_plan(mode="load-failed"), scenario)

    assert (status.reason, started) == ("LoadFailed", 1)
    assert status.message == "SyntaxError: handler.py:3: bad \\x1b[2J"
    assert status.last_termination.exit_code == 65


def test_crash_at_start_is_retried_once_and_then_backs_off(folder):
    async def scenario(worker):
        worker.start()
        status = await worker.wait_for(Phase.CRASH_LOOP_BACK_OFF)
        with pytest.raises(ConnectionRefusedError):
            await call(worker)
        return status, len(worker.launcher.sandboxes)

    status, started = run(folder, a_worker_plan(mode="exit"), scenario)

    assert (status.reason, status.restarts, started) == ("Error", 2, 2)
    assert status.message == "restarts in 1 s: ended with exit code 3"
    logs = LogStore(folder / "logs").tail("shop", "hello", limit=10)
    assert [(log.instance, log.message) for log in logs] == [
        ("w1-1", "going down"),
        ("w1-2", "going down"),
    ]


def test_crash_loop_waits_longer_each_time(folder, monkeypatch):
    monkeypatch.setattr(backoff, "RESTART_FIRST_SECONDS", 0.2)

    async def scenario(worker):
        worker.start()
        await until(lambda: len(worker.launcher.sandboxes) == 4)
        return [change for change in worker.changes if change.phase is Phase.CRASH_LOOP_BACK_OFF]

    started = time.monotonic()
    loops = run(folder, a_worker_plan(mode="exit"), scenario)

    assert time.monotonic() - started > 0.6
    assert [loop.restarts for loop in loops][:2] == [2, 3]


def test_exit_of_a_ready_instance_restarts_at_once_on_the_same_socket(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        before = worker.status
        with pytest.raises(asyncio.IncompleteReadError):
            await call(worker, "/exit/3")
        answer = await call(worker)
        await worker.wait_for(Phase.READY)
        return before, answer, worker.status

    before, answer, after = run(folder, a_worker_plan(), scenario)

    assert answer["pid"] != before.pid
    assert after.restarts == 1
    assert after.request_socket == before.request_socket
    assert after.last_termination.message == "ended with exit code 3"


def test_out_of_memory_is_told_as_such(folder):
    async def scenario(worker):
        worker.launcher.oom = True
        worker.start()
        await worker.wait_for(Phase.READY)
        os.kill(worker.status.pid, signal.SIGKILL)
        await until(lambda: worker.status.restarts == 1)
        return worker.status.last_termination

    termination = run(folder, a_worker_plan(), scenario)

    assert termination.reason is ExitReason.OOM_KILLED


def test_instance_that_never_becomes_ready_is_ended_by_its_start_deadline(folder):
    probes = ProbeRules(startup=ProbeRule(period_seconds=0.2, failure_threshold=2))

    async def scenario(worker):
        worker.start()
        await until(lambda: worker.status.restarts == 1)
        return worker.status.last_termination

    plan = a_worker_plan(mode="never-ready", probes=probes)
    termination = run(folder, plan, scenario)

    assert termination.message == "was not ready within 0.4 s"


def test_sick_instance_leaves_service_and_is_restarted_by_liveness(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        await call(worker, "/sick")
        await worker.wait_for(Phase.NOT_READY)
        not_ready = worker.status.message
        await until(lambda: worker.status.restarts == 1)
        await worker.wait_for(Phase.READY)
        return not_ready, worker.status.last_termination

    not_ready, termination = run(folder, a_worker_plan(), scenario)

    assert not_ready == "readiness probe failed: status 503"
    assert termination.message == "liveness probe failed 4 times: status 503"


def test_frozen_instance_is_restarted_by_liveness(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        frozen = asyncio.ensure_future(call(worker, "/freeze"))
        await until(lambda: worker.status.restarts == 1)
        await asyncio.gather(frozen, return_exceptions=True)
        return worker.status.last_termination.message

    message = run(folder, a_worker_plan(), scenario)

    assert message == "liveness probe failed 4 times: no answer in 0.3 s"


def test_retiring_instance_is_succeeded_without_a_failed_request(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        slow = asyncio.ensure_future(call(worker, "/slow/400"))
        await asyncio.sleep(0.05)
        retired = await call(worker, "/retire")
        answers = [await call(worker) for _ in range(20)]
        finished = await slow
        await until(lambda: len(worker.launcher.living()) == 1)
        return retired, answers, finished, worker.status

    plan = a_worker_plan(RETIRE_SECONDS="0.8")
    retired, answers, finished, status = run(folder, plan, scenario)

    assert finished["pid"] == retired["pid"]
    assert retired["pid"] not in {answer["pid"] for answer in answers}
    assert (status.restarts, status.retirements) == (0, 1)
    assert status.last_termination.reason is ExitReason.DEADLINE_EXCEEDED


def test_retired_instance_that_does_not_end_is_killed(folder):
    plan = a_worker_plan(RETIRE_SECONDS="60", timeout_seconds=0.3, grace_seconds=1)

    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        await call(worker, "/retire")
        started = time.monotonic()
        await until(lambda: len(worker.launcher.sandboxes) == 2)
        await until(lambda: len(worker.launcher.living()) == 1)
        return time.monotonic() - started

    assert 1.0 < run(folder, plan, scenario) < 2.5


def test_no_more_than_two_instances_retire_at_a_time(folder):
    async def scenario(worker):
        worker.start()
        most = 0
        for _ in range(5):
            await worker.wait_for(Phase.READY)
            await call(worker, "/retire")
            await until(lambda: worker.status.phase is not Phase.READY)
            await worker.wait_for(Phase.READY)
            await asyncio.sleep(0.1)
            most = max(most, len(worker.launcher.living()))
        return most

    plan = a_worker_plan(RETIRE_SECONDS="60", timeout_seconds=60)

    assert run(folder, plan, scenario) == 3


def test_retiring_before_ready_is_a_crash_with_back_off(folder):
    async def scenario(worker):
        worker.start()
        return await worker.wait_for(Phase.CRASH_LOOP_BACK_OFF), worker.launcher

    status, launcher = run(folder, a_worker_plan(mode="retire-at-once"), scenario)

    assert (status.restarts, status.retirements) == (2, 0)
    assert len(launcher.sandboxes) == 2


def test_launcher_that_fails_for_the_moment_is_asked_again(folder):
    async def scenario(worker):
        worker.launcher.failures = [busy_launcher()]
        worker.start()
        await worker.wait_for(Phase.READY)
        return worker.status

    status = run(folder, a_worker_plan(), scenario)

    assert (status.restarts, status.last_termination.reason) == (1, ExitReason.START_FAILED)


def test_sandbox_that_this_machine_cannot_run_fails_for_good(folder):
    async def scenario(worker):
        worker.launcher.failures = [missing_runtime()]
        worker.start()
        return await worker.wait_for(Phase.FAILED)

    status = run(folder, a_worker_plan(), scenario)

    assert (status.reason, status.message) == ("StartFailed", "runtime python399: none found")


def test_flood_on_the_control_channel_harms_only_the_flooder(folder):
    async def scenario(worker):
        worker.start()
        worst, last = 0.0, time.monotonic()
        end = last + 1.0
        while last < end:
            await asyncio.sleep(0.01)
            worst, last = max(worst, time.monotonic() - last), time.monotonic()
        return worst

    assert run(folder, a_worker_plan(mode="flood-control"), scenario) < 0.25
    assert control_channel.MAX_BYTES <= 64 * 1024


def test_output_of_a_request_reaches_the_log(folder):
    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        await call(worker, "/print")

    run(folder, a_worker_plan(), scenario)

    (record,) = LogStore(folder / "logs").tail("shop", "hello", limit=10)
    assert (record.instance, record.message) == ("w1-1", "printed by a request")


@pytest.mark.parametrize("mode", ["ok", "exit", "never-ready", "deaf", "load-failed"])
def test_stop_at_any_moment_leaves_nothing(folder, mode):
    async def scenario(worker):
        worker.start()
        await asyncio.sleep(0.02 if mode == "ok" else 0.15)
        await worker.stop()
        return worker.status.phase

    assert run(folder, a_worker_plan(mode=mode), scenario) is Phase.STOPPED


def test_stopping_before_the_launch_is_through_ends_the_sandbox(folder):
    async def scenario(worker):
        worker.start()
        await worker.stop()
        return worker.status.phase

    assert run(folder, a_worker_plan(), scenario) is Phase.STOPPED


def test_stopping_an_unstarted_worker_is_fine(folder):
    async def scenario(worker):
        await worker.stop()
        await worker.stop()
        return worker.status.phase

    assert run(folder, a_worker_plan(), scenario) is Phase.STOPPED


def test_idle_ready_workers_cost_next_to_nothing(folder):
    period = ProbeRule(period_seconds=10)
    plan = a_worker_plan(probes=ProbeRules(startup=ProbeRule(), readiness=period, liveness=period))

    async def scenario(worker):
        worker.start()
        await worker.wait_for(Phase.READY)
        await asyncio.sleep(0.3)
        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(1.0)
        after = resource.getrusage(resource.RUSAGE_SELF)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert run(folder, plan, scenario) < 0.01
