"""The obligations of the key queue."""

from __future__ import annotations

import asyncio

import pytest

from casemate.controller.queue import (
    LAST_BACKOFF_SECONDS,
    RETRY_BURST,
    KeyQueue,
    backoff_seconds,
)


def test_a_key_added_twice_while_waiting_is_handed_out_once():
    async def scenario() -> None:
        queue: KeyQueue[str] = KeyQueue()
        queue.add("a")
        queue.add("a")

        first = await queue.get()
        queue.done(first)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.02)

    asyncio.run(scenario())


def test_a_key_added_during_work_is_handed_out_again_only_after_done():
    async def scenario() -> None:
        queue: KeyQueue[str] = KeyQueue()
        queue.add("a")
        await queue.get()
        queue.add("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.02)

        queue.done("a")

        assert await asyncio.wait_for(queue.get(), 1) == "a"

    asyncio.run(scenario())


def test_an_earlier_timer_wins_over_a_later_one():
    async def scenario() -> None:
        queue: KeyQueue[str] = KeyQueue()
        queue.add_after("a", 0.01)

        queue.add_after("a", 60)

        assert await asyncio.wait_for(queue.get(), 1) == "a"
        queue.close()

    asyncio.run(scenario())


def test_failures_of_one_key_do_not_delay_another():
    async def scenario() -> None:
        queue: KeyQueue[str] = KeyQueue()
        for _ in range(8):
            queue.retry("bad")

        queue.add("good")

        assert await asyncio.wait_for(queue.get(), 1) == "good"
        queue.close()

    asyncio.run(scenario())


def test_forgetting_a_key_starts_its_backoff_anew():
    async def scenario() -> None:
        queue: KeyQueue[str] = KeyQueue()
        first = queue.retry("a")
        second = queue.retry("a")

        queue.forget("a")

        assert second > first
        assert queue.retry("a") == first
        queue.close()

    asyncio.run(scenario())


def test_backoff_doubles_and_is_bounded():
    delays = [backoff_seconds(n) for n in range(1, 40)]

    assert delays[1] == 2 * delays[0]
    assert max(delays) == LAST_BACKOFF_SECONDS
    assert delays == sorted(delays)


def test_retries_of_many_keys_together_stay_below_a_rate():
    async def scenario():
        queue = KeyQueue()
        delays = [queue.retry(number) for number in range(RETRY_BURST + 50)]
        queue.close()
        return delays

    delays = asyncio.run(scenario())

    assert delays[0] < 1
    assert delays[-1] > 4
