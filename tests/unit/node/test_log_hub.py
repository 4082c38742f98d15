import asyncio

from casemate.node.log_hub import LogHub
from casemate.node.log_records import LogRecord


def record(number):
    return LogRecord("t", "stdout", "i-1", str(number))


async def messages(follower):
    follower.close()
    return [followed.record.message async for followed in follower]


def test_follower_reads_what_matches_from_now_on():
    async def scenario():
        hub = LogHub()
        hub.publish("shop", "hello", [record(0)])
        everything, one = hub.follow(), hub.follow(namespace="shop", function="hello")
        hub.publish("shop", "hello", [record(1)])
        hub.publish("shop", "other", [record(2)])
        return await messages(everything), await messages(one)

    assert asyncio.run(scenario()) == (["1", "2"], ["1"])


def test_slow_follower_loses_lines_with_a_notice_and_others_lose_none():
    async def scenario():
        hub = LogHub()
        slow, quick = hub.follow(capacity=4), hub.follow(capacity=1000)
        hub.publish("shop", "hello", [record(n) for n in range(10)])
        first = await anext(slow)
        hub.publish("shop", "hello", [record(10)])
        return first.record.message, await messages(slow), len(await messages(quick))

    first, rest, all_of_quick = asyncio.run(scenario())

    assert first == "0"
    assert rest == ["1", "2", "dropped 7 lines: this reader is too slow", "10"]
    assert all_of_quick == 11


def test_waiting_follower_wakes_for_a_record_and_for_the_end():
    async def scenario():
        hub = LogHub()
        follower = hub.follow()
        waiting = asyncio.ensure_future(anext(follower))
        await asyncio.sleep(0)
        hub.publish("shop", "hello", [record(1)])
        found = await waiting
        ending = asyncio.ensure_future(anext(follower, None))
        await asyncio.sleep(0)
        follower.close()
        return found.record.message, await ending

    assert asyncio.run(scenario()) == ("1", None)


def test_closed_follower_is_forgotten():
    async def scenario():
        hub = LogHub()
        follower = hub.follow()
        follower.close()
        follower.close()
        hub.publish("shop", "hello", [record(1)])
        return await messages(follower)

    assert asyncio.run(scenario()) == []
