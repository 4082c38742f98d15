import asyncio

import pytest

from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.database import KeyTaken, Stale, Store, StoreBroken
from support.stores import CONFIG_MAPS, a_key, an_object, fill, values, with_store


def test_what_was_acknowledged_is_there_after_reopening(tmp_path):
    fill(tmp_path / "store.sqlite", value="kept")

    assert values(tmp_path / "store.sqlite") == {"n0": "kept", "n1": "kept", "n2": "kept"}


def test_a_revision_is_used_once_even_over_a_reopening(tmp_path):
    async def one(store: Store) -> int:
        key = a_key(f"at-{store.revision}")
        made = await store.create(key, an_object(key))
        gone = await store.delete(key, expected=made.resource_version)
        return gone.resource_version

    found = [with_store(tmp_path / "store.sqlite", one) for _ in range(3)]

    assert found == [3, 5, 7]


def test_a_write_over_what_somebody_else_wrote_is_refused():
    key = a_key("one")

    async def use(store: Store) -> list[object]:
        made = await store.create(key, an_object(key))
        racing = (
            store.replace(key, an_object(key, str(number)), expected=made.resource_version)
            for number in range(3)
        )
        answers = await asyncio.gather(*racing, return_exceptions=True)
        taken = await asyncio.gather(store.create(key, an_object(key)), return_exceptions=True)
        return [*map(type, answers[1:]), type(taken[0]), store.get(key).tree()["data"]["value"]]

    assert with_store(None, use) == [Stale, Stale, KeyTaken, "0"]


def test_a_body_that_cannot_be_written_fails_alone():
    deep: dict = {}
    for _ in range(100_000):
        deep = {"a": deep}
    good = a_key("good")

    async def use(store: Store) -> list[object]:
        half_a_pair, endless = a_key("surrogate"), a_key("deep")
        answers = await asyncio.gather(
            store.create(half_a_pair, an_object(half_a_pair, "\ud800")),
            store.create(good, an_object(good)),
            store.create(endless, an_object(endless, deep)),
            return_exceptions=True,
        )
        assert [one.key.name for one in store.list(CONFIG_MAPS).items] == ["good"]
        return answers

    refused, stored, too_deep = with_store(None, use)
    while deep:  # freed from the outside, or freeing recurses
        deep = deep["a"]

    assert [refused.status, too_deep.status] == [400, 400]
    assert isinstance(refused, ApiError)
    assert stored.resource_version == 2


def test_a_caller_who_gives_up_does_not_take_his_write_back(tmp_path):
    key = a_key("left")

    async def use(store: Store) -> None:
        task = asyncio.ensure_future(store.create(key, an_object(key)))
        await asyncio.sleep(0)
        task.cancel()

    with_store(tmp_path / "store.sqlite", use)

    assert values(tmp_path / "store.sqlite") == {"left": ""}


def test_a_closed_store_refuses_at_once():
    async def use(store: Store) -> None:
        await store.close()
        with pytest.raises(StoreBroken, match="closed"):
            await store.create(a_key("late"), an_object(a_key("late")))

    with_store(None, use)


def test_a_list_of_one_namespace_holds_no_neighbour():
    keys = [a_key("x", namespace=name) for name in ("a", "a-b", "a0", "b")]

    async def use(store: Store) -> list[str]:
        for key in keys:
            await store.create(key, an_object(key))
        return [one.key.namespace for one in store.list(CONFIG_MAPS, "a").items]

    assert with_store(None, use) == ["a"]


def test_a_clock_that_jumps_changes_neither_order_nor_content(tmp_path, monkeypatch):
    # Years forth and back between writes, for every reader of the wall clock in this process.
    clock = iter([2e9, 0.0, 4e9, 1.0, 3e9])
    now = [1e9]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.time_ns", lambda: int(now[0] * 1e9))
    monkeypatch.setattr("casemate.clock.now_seconds", lambda: int(now[0]))

    async def use(store: Store) -> list[int]:
        found, since = [], store.revision
        for number, moment in enumerate(clock):
            now[0] = moment
            key = a_key(f"n{number}")
            found.append((await store.create(key, an_object(key))).resource_version)
        events = store.watch(CONFIG_MAPS, None, since)
        told = [(await events.next(1)).object.resource_version for _ in found]
        assert told == found
        return found

    first = with_store(tmp_path / "store.sqlite", use)
    now[0] = 5.0

    assert first == [2, 3, 4, 5, 6]
    assert list(values(tmp_path / "store.sqlite")) == ["n0", "n1", "n2", "n3", "n4"]


def test_no_module_of_the_store_reads_the_wall_clock_to_decide():
    import pathlib  # noqa: PLC0415

    import casemate.apiserver.store as package  # noqa: PLC0415

    users = {
        path.name
        for path in pathlib.Path(package.__path__[0]).glob("*.py")
        if "clock" in path.read_text().replace("from a clock", "")
    }

    # A backup says when it was taken, for people.
    assert users == {"backups.py"}
