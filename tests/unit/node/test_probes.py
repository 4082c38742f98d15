import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from casemate.api.workload import Container, HttpGetAction, Probe
from casemate.node.probes import (
    DEFAULT_START_SECONDS,
    InstanceProbes,
    ProbeAnswer,
    ProbeRole,
    ProbeRule,
    ProbeRules,
    ProbeTally,
    ask,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SICK = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
QUICK = ProbeRule(period_seconds=0.02, timeout_seconds=0.2)


class Instance:
    """A server that answers probes with `reply`; None means silence."""

    def __init__(self, path, reply):
        self.path = path
        self.reply = reply
        self.asked = 0

    async def answer(self, reader, writer):
        self.asked += 1
        await reader.readuntil(b"\r\n\r\n")
        if self.reply is None:
            await reader.read()
        else:
            writer.write(self.reply)
        writer.close()


@asynccontextmanager
async def an_instance(path, reply=OK):
    instance = Instance(path / "m.sock", reply)
    async with await asyncio.start_unix_server(instance.answer, instance.path):
        yield instance
        await asyncio.sleep(0.01)


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("p")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (OK, ProbeAnswer(ok=True, detail="status 200")),
        (b"HTTP/1.0 302 Found\r\n\r\n", ProbeAnswer(ok=True, detail="status 302")),
        (SICK, ProbeAnswer(ok=False, detail="status 503")),
        (b"HTTP/1.1 404 \r\n\r\n", ProbeAnswer(ok=False, detail="status 404")),
        (b"HTTP/1.1 2000\r\n", ProbeAnswer(ok=False, detail="the answer is not HTTP")),
        (b"\x1b]0;owned\x07\n", ProbeAnswer(ok=False, detail="the answer is not HTTP")),
        (b"", ProbeAnswer(ok=False, detail="the connection broke")),
        (b"x" * 100_000, ProbeAnswer(ok=False, detail="the connection broke")),
        (None, ProbeAnswer(ok=False, detail="no answer in 0.2 s")),
    ],
    ids=["ok", "redirect", "503", "404", "bad-status", "escape", "empty", "endless", "silence"],
)
def test_answer_is_judged_by_its_status_line_alone(folder, reply, answer):
    async def scenario():
        async with an_instance(folder, reply) as instance:
            return await ask(instance.path, QUICK)

    assert asyncio.run(scenario()) == answer


def test_socket_that_nobody_serves_is_an_answer_not_an_error(folder):
    answer = asyncio.run(ask(folder / "none.sock", QUICK))

    assert answer == ProbeAnswer(ok=False, detail="the connection broke")


def test_opinion_changes_only_after_enough_equal_answers_in_a_row():
    rule = ProbeRule(failure_threshold=3, success_threshold=2)
    tally = ProbeTally(ProbeRole.READINESS, rule, healthy=True)
    answers = [False, False, True, False, False, False, True, False, True, True]

    changes = [tally.count(ok=ok) for ok in answers]

    assert [at for at, changed in enumerate(changes) if changed] == [5, 9]
    assert tally.healthy


def test_rules_are_read_from_the_template_with_the_apis_defaults():
    def probe(**given):
        return Probe(http_get=HttpGetAction(path="/healthz", port=8080), **given)

    container = Container(
        name="function",
        image="i",
        startup_probe=probe(period_seconds=5, failure_threshold=30, initial_delay_seconds=2),
        liveness_probe=probe(period_seconds=5, timeout_seconds=4),
    )

    rules = ProbeRules.of(container)

    assert rules.start_seconds == 152
    assert rules.readiness is None
    assert rules.liveness == ProbeRule(period_seconds=5, timeout_seconds=4)
    assert ProbeRules().start_seconds == DEFAULT_START_SECONDS


def watched(folder, rules, script, *, reply=OK, announce=True):
    """Run the probes while `script(instance)` runs; return what they reported and the instance."""

    async def scenario():
        async with an_instance(folder, reply) as instance:
            reports = []
            probes = InstanceProbes(
                rules,
                instance.path,
                on_readiness=lambda ready, message: reports.append((ready, message)),
                on_dead=reports.append,
            )
            task = asyncio.ensure_future(probes.run())
            if announce:
                probes.announce_ready()
            await script(instance)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return reports, instance

    return asyncio.run(scenario())


def test_nothing_is_asked_before_the_runtime_says_ready(folder):
    reports, instance = watched(
        folder,
        ProbeRules(startup=QUICK),
        lambda _: asyncio.sleep(0.15),
        announce=False,
    )

    assert (reports, instance.asked) == ([], 0)


def test_ready_is_known_at_once_and_not_after_a_period(folder):
    rules = ProbeRules(startup=ProbeRule(period_seconds=5), readiness=ProbeRule(period_seconds=10))
    started = time.monotonic()

    reports, _ = watched(folder, rules, lambda _: asyncio.sleep(0.1))

    assert reports == [(True, "")]
    assert time.monotonic() - started < 1


def test_runtime_that_says_ready_and_is_not_is_asked_again(folder):
    async def recover(instance):
        await asyncio.sleep(0.1)
        instance.reply = OK
        await asyncio.sleep(0.3)

    reports, instance = watched(folder, ProbeRules(startup=QUICK), recover, reply=SICK)

    assert reports == [(True, "")]
    assert instance.asked >= 3


def test_readiness_goes_and_comes_back(folder):
    async def fall_ill(instance):
        await asyncio.sleep(0.05)
        instance.reply = SICK
        await asyncio.sleep(0.2)
        instance.reply = OK
        await asyncio.sleep(0.2)

    reports, _ = watched(folder, ProbeRules(readiness=QUICK), fall_ill)

    assert reports == [(True, ""), (False, "readiness probe failed: status 503"), (True, "")]


def test_lost_liveness_is_reported_once(folder):
    async def hang(instance):
        await asyncio.sleep(0.05)
        instance.reply = SICK
        await asyncio.sleep(0.3)

    reports, _ = watched(folder, ProbeRules(liveness=QUICK), hang)

    assert reports == [(True, ""), "liveness probe failed 3 times: status 503"]


def test_equal_readiness_and_liveness_share_one_question(folder):
    rule = ProbeRule(period_seconds=0.1, timeout_seconds=0.2)

    async def run(_):
        await asyncio.sleep(0.55)

    _, alone = watched(folder, ProbeRules(liveness=rule), run)
    _, both = watched(folder / "..", ProbeRules(liveness=rule, readiness=rule), run)

    assert both.asked <= alone.asked + 2
