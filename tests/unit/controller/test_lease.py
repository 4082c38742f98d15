"""Two controllers on one API: one acts at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from casemate.controller.lease import LEASE, LeaseElection, LeaseTerms
from casemate.engine.api_service import ApiOptions, ApiService
from casemate.kube.client import ObjectRef
from casemate.kube.errors import Conflict, Unreachable

REF = ObjectRef(LEASE, "casemate-system", "controller")
TERMS = LeaseTerms(term_seconds=1.0, renew_seconds=0.6, retry_seconds=0.1)


class Candidate:
    """A controller that notes when it acts."""

    acting: ClassVar[set[str]] = set()
    most_at_once = 0

    def __init__(self, client, name):
        self.name = name
        self.election = LeaseElection(client, REF, name, TERMS)

    def start(self):
        self.task = asyncio.create_task(self.election.run(self.act))

    async def act(self):
        Candidate.acting.add(self.name)
        Candidate.most_at_once = max(Candidate.most_at_once, len(Candidate.acting))
        try:
            await asyncio.Event().wait()
        finally:
            Candidate.acting.discard(self.name)

    async def kill(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Cut:
    """A connection to an API that breaks when told to."""

    def __init__(self, client):
        self.client = client
        self.mode = "whole"

    def __getattr__(self, name):
        method = getattr(self.client, name)

        async def call(*words, **named):
            if self.mode == "broken":
                raise Unreachable("no route to host")
            if self.mode == "hung":
                await asyncio.Event().wait()
            return await method(*words, **named)

        return call


@asynccontextmanager
async def an_api(folder: Path) -> AsyncIterator[ApiService]:
    Candidate.acting, Candidate.most_at_once = set(), 0
    async with ApiService(ApiOptions(None, folder)) as api:
        yield api


async def until(check, seconds=8.0):
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)


def test_only_the_holder_acts_and_a_killed_one_is_replaced_after_its_term(tmp_path):
    async def scenario():
        async with an_api(tmp_path) as api:
            one, two = Candidate(api.client, "one"), Candidate(api.client, "two")
            one.start()
            await until(lambda: Candidate.acting == {"one"})
            two.start()
            await asyncio.sleep(1.5)
            held = set(Candidate.acting)
            await one.kill()
            killed = asyncio.get_running_loop().time()
            await until(lambda: Candidate.acting == {"two"})
            took = asyncio.get_running_loop().time() - killed
            await two.kill()
            return held, took

    held, took = asyncio.run(scenario())

    assert held == {"one"}
    assert took >= 0.5
    assert Candidate.most_at_once == 1


def test_a_holder_that_gives_the_lease_back_is_followed_at_once(tmp_path):
    async def scenario():
        async with an_api(tmp_path) as api:
            one, two = Candidate(api.client, "one"), Candidate(api.client, "two")
            one.start()
            await until(lambda: Candidate.acting == {"one"})
            await one.kill()
            await one.election.release()
            two.start()
            await until(lambda: Candidate.acting == {"two"}, seconds=0.9)
            await two.kill()

    asyncio.run(scenario())


def broken_holder(tmp_path, mode):
    async def scenario():
        async with an_api(tmp_path) as api:
            cut = Cut(api.client)
            one, two = Candidate(cut, "one"), Candidate(api.client, "two")
            one.start()
            await until(lambda: Candidate.acting == {"one"})
            two.start()
            cut.mode = mode
            await until(lambda: Candidate.acting == {"two"})
            await one.kill()
            await two.kill()

    asyncio.run(scenario())


def test_a_holder_that_cannot_reach_the_api_stops_before_another_acts(tmp_path):
    broken_holder(tmp_path, "broken")

    assert Candidate.most_at_once == 1


def test_a_holder_whose_request_hangs_stops_before_another_acts(tmp_path):
    broken_holder(tmp_path, "hung")

    assert Candidate.most_at_once == 1


def test_a_lease_from_a_machine_whose_clock_is_wrong_is_waited_for_like_any_other(tmp_path):
    async def scenario():
        async with an_api(tmp_path) as api:
            stale = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": REF.name, "namespace": REF.namespace},
                "spec": {
                    "holderIdentity": "gone",
                    "leaseDurationSeconds": 1,
                    "renewTime": "2099-01-01T00:00:00.000000Z",
                },
            }
            await api.client.create(stale, "test")
            one = Candidate(api.client, "one")
            one.start()
            await asyncio.sleep(0.5)
            early = set(Candidate.acting)
            await until(lambda: Candidate.acting == {"one"})
            await one.kill()
            return early

    assert asyncio.run(scenario()) == set()


def test_of_candidates_that_start_together_one_acts(tmp_path):
    async def scenario():
        async with an_api(tmp_path) as api:
            candidates = [Candidate(api.client, f"c{number}") for number in range(6)]
            for candidate in candidates:
                candidate.start()
            await until(lambda: Candidate.acting)
            await asyncio.sleep(0.5)
            for candidate in candidates:
                await candidate.kill()

    asyncio.run(scenario())

    assert Candidate.most_at_once == 1


def test_a_lease_that_was_written_meanwhile_is_not_taken_over(tmp_path):
    async def scenario():
        async with an_api(tmp_path) as api:
            one, two = Candidate(api.client, "one"), Candidate(api.client, "two")
            assert await one.election._try()
            seen = await api.client.get(REF)
            assert await one.election._try()
            with pytest.raises(Conflict):
                await two.election._write(seen, holder="two", seconds=1)

    asyncio.run(scenario())
