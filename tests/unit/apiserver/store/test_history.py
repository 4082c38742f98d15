"""The event stream against a model: the list of all writes, which says what anybody may see."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.apiserver.store import history
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import Compacted, Subscription, TooSlow
from support.stores import CONFIG_MAPS, SECRETS, a_key, an_object, with_store

KINDS = (CONFIG_MAPS, SECRETS)
# A write: which kind, namespace and name, and whether a present object goes away.
WRITES = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()),
    max_size=40,
)


async def write(store: Store, of, namespace: str, name: str, *, delete: bool) -> tuple:
    """Do what fits the present state; return the event that everybody has to see."""
    key = a_key(name, of, namespace)
    now = store.get(key)
    if now is None:
        made, kind = await store.create(key, an_object(key)), "ADDED"
    elif delete:
        made, kind = await store.delete(key, expected=now.resource_version), "DELETED"
    else:
        made = await store.replace(key, an_object(key), expected=now.resource_version)
        kind = "MODIFIED"
    return (kind, key, made.resource_version)


async def seen(watch: Subscription) -> list[tuple]:
    found = []
    while (event := await watch.next(0)) is not None:
        found.append((event.type.value, event.object.key, event.object.resource_version))
    return found


@settings(max_examples=60, deadline=None)
@given(WRITES, st.integers(2, 30), st.integers(1, 50))
def test_every_stream_is_the_history_from_where_it_starts_or_410(writes, window, since):
    async def use(store: Store) -> None:
        live = [(of, space, store.watch(of, space, None)) for of in KINDS for space in ("a", None)]
        model = [await write(store, *each[:3], delete=each[3]) for each in writes]

        assert [at for _, _, at in model] == list(range(2, len(model) + 2))
        for of, space, watch in live:
            assert await seen(watch) == selected(model, of, space, 0)
        if since > store.revision:
            return
        for of in KINDS:
            for space in ("a", "b", None):
                if since < store.revision - window:
                    with pytest.raises(Compacted):
                        store.watch(of, space, since)
                else:
                    resumed = store.watch(of, space, since)
                    assert await seen(resumed) == selected(model, of, space, since)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "MOST_EVENTS", window)
        with_store(None, use)


def selected(model: list[tuple], of, space: str | None, since: int) -> list[tuple]:
    return [
        (kind, key, at)
        for kind, key, at in model
        if at > since and key.group_resource == of and space in (None, key.namespace)
    ]


def test_a_stream_and_a_list_of_one_moment_join_without_gap_or_overlap():
    async def use(store: Store) -> None:
        async def writing() -> None:
            for number in range(300):
                await write(store, CONFIG_MAPS, "a", f"n{number % 7}", delete=number % 3 == 0)

        task = asyncio.ensure_future(writing())
        while not task.done():
            await asyncio.sleep(0)
            snapshot = store.list(CONFIG_MAPS)
            watch = store.watch(CONFIG_MAPS, None, snapshot.resource_version)
            state = {one.key: one.resource_version for one in snapshot.items}
            await asyncio.sleep(0.005)
            for kind, key, at in await seen(watch):
                assert at > snapshot.resource_version
                if kind == "DELETED":
                    del state[key]
                else:
                    assert (key in state) == (kind == "MODIFIED")
                    state[key] = at
            watch.close()
            now = store.list(CONFIG_MAPS)
            assert state == {one.key: one.resource_version for one in now.items}
        await task

    with_store(None, use)


def test_a_watcher_that_does_not_read_is_cut_off_alone(monkeypatch):
    monkeypatch.setattr(history, "MOST_BEHIND", 10)

    async def use(store: Store) -> None:
        slow = store.watch(CONFIG_MAPS, None, None)
        quick = store.watch(CONFIG_MAPS, None, None)
        found = []
        for number in range(30):
            await write(store, CONFIG_MAPS, "a", f"n{number}", delete=False)
            found += await seen(quick)
        with pytest.raises(TooSlow):
            await slow.next(0)
        assert len(found) == 30

    with_store(None, use)


def test_a_hundred_watchers_see_the_same_and_dying_ones_leave_nothing():
    async def use(store: Store) -> None:
        watches = [store.watch(CONFIG_MAPS, None, None) for _ in range(100)]
        waiting = [asyncio.ensure_future(watch.next(None)) for watch in watches[:50]]
        await asyncio.sleep(0)
        for watch, task in list(zip(watches, waiting, strict=False))[:25]:
            task.cancel()
            watch.close()
        model = [await write(store, CONFIG_MAPS, "a", f"n{n}", delete=False) for n in range(50)]
        for task in waiting[25:]:
            assert (await task).object.resource_version == model[0][2]
        for watch in watches[25:50]:
            assert await seen(watch) == model[1:]
        for watch in watches[50:]:
            assert await seen(watch) == model
            watch.close()
        assert sum(map(len, store._history._watchers.values())) == 25

    with_store(None, use)


def test_the_window_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(history, "MOST_BYTES", 10_000)

    async def use(store: Store) -> None:
        for number in range(20):
            key = a_key(f"n{number}")
            await store.create(key, an_object(key, "x" * 2000))
        with pytest.raises(Compacted):
            store.watch(CONFIG_MAPS, None, store.revision - 6)
        assert len(await seen(store.watch(CONFIG_MAPS, None, store.revision - 2))) == 2

    with_store(None, use)


def test_closing_the_store_ends_every_stream():
    async def life() -> list[object]:
        store = await Store.open(None)
        task = asyncio.ensure_future(store.watch(CONFIG_MAPS, None, None).next(None))
        await asyncio.sleep(0)
        await store.close()
        return [await task]

    assert asyncio.run(life()) == [None]
