"""Many callers, few runs, and nobody is told too early."""

from __future__ import annotations

import asyncio

import pytest

from casemate.engine.shared_refresh import SharedRefresh
from casemate.errors import Unavailable


def test_callers_at_the_same_time_share_a_run_and_each_finds_its_change_in_it():
    state, published = [], []

    async def publish():
        seen = list(state)
        await asyncio.sleep(0.01)
        published.append(seen)

    async def caller(refresh, number):
        await asyncio.sleep(number * 0.0005)
        state.append(number)
        await refresh()
        assert any(number in seen for seen in published)

    async def scenario():
        refresh = SharedRefresh(publish)
        await asyncio.gather(*(caller(refresh, number) for number in range(50)))

    asyncio.run(scenario())

    assert len(published) < 15


def test_a_run_that_fails_is_told_to_its_callers_and_the_next_one_works():
    answers = [Unavailable("the gateway is away"), None]

    async def publish():
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    async def scenario():
        refresh = SharedRefresh(publish)
        with pytest.raises(Unavailable):
            await refresh()
        await refresh()

    asyncio.run(scenario())

    assert answers == []


def test_a_cancelled_caller_does_not_end_the_run_of_the_others():
    done = []

    async def publish():
        await asyncio.sleep(0.05)
        done.append(True)

    async def scenario():
        refresh = SharedRefresh(publish)
        first, second = asyncio.create_task(refresh()), asyncio.create_task(refresh())
        await asyncio.sleep(0.01)
        first.cancel()
        await second

    asyncio.run(scenario())

    assert done == [True]
