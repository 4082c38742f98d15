import asyncio
from contextlib import aclosing

import pytest

from casemate.apiserver import watching
from casemate.apiserver.list_options import list_options
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store import history
from casemate.apiserver.store.database import Store
from casemate.apiserver.watching import Bookmark, Broken, Change, watch
from support.stores import a_key, an_object, with_store

RESOURCE = Resource("", "v1", "configmaps", "configmap", "ConfigMap", namespaced=True, schema={})


async def follow(store: Store, act=None, count: int = 100, **query: str) -> list[object]:
    """Watch for some seconds, or for `count` items; `act` runs once the watch stands."""
    options = list_options(RESOURCE, {"timeoutSeconds": "3", **query}, watch=True)
    found: list[object] = []
    stream = watch(store, RESOURCE, None, options)
    async with aclosing(stream):
        reading = asyncio.ensure_future(_read(stream, found, count))
        await asyncio.sleep(0.02)
        if act is not None:
            await act()
        await reading
    return found


async def _read(stream, found: list[object], count: int) -> None:
    async for item in stream:
        if isinstance(item, Change):
            found.append((item.type.value, item.object.key.name))
        elif isinstance(item, Bookmark):
            found.append(("end" if item.initial_events_end else "bookmark", item.resource_version))
        elif isinstance(item, Broken):
            found.append(item.error.status)
        if len(found) >= count:
            return


async def put(store: Store, name: str, **metadata) -> None:
    key = a_key(name)
    now = store.get(key)
    if now is None:
        await store.create(key, an_object(key, **metadata))
    else:
        await store.replace(key, an_object(key, **metadata), expected=now.resource_version)


async def two(store: Store) -> None:
    await put(store, "one")
    await put(store, "two")


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ({}, [("ADDED", "one"), ("ADDED", "two"), ("ADDED", "new")]),
        ({"resourceVersion": "0"}, [("ADDED", "one"), ("ADDED", "two"), ("ADDED", "new")]),
        ({"resourceVersion": "2"}, [("ADDED", "two"), ("ADDED", "new")]),
        ({"resourceVersion": "3"}, [("ADDED", "new")]),
        (
            {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"},
            [("ADDED", "one"), ("ADDED", "two"), ("end", 3), ("ADDED", "new")],
        ),
        (
            {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "0"},
            [("ADDED", "new")],
        ),
    ],
)  # fmt: skip
def test_a_watch_starts_where_it_was_asked_to(query, first):
    async def use(store: Store) -> None:
        await two(store)
        assert await follow(store, lambda: put(store, "new"), len(first), **query) == first

    with_store(None, use)


def test_an_object_that_enters_or_leaves_a_selection_is_added_or_deleted():
    async def use(store: Store) -> None:
        async def act() -> None:
            for labels in ({"a": "1"}, {"a": "1", "b": "1"}, {"a": "2"}, {"a": "3"}, {"a": "1"}):
                await put(store, "one", labels=labels)
            now = store.get(a_key("one")).resource_version
            await store.delete(a_key("one"), expected=now)

        found = await follow(store, act, 5, resourceVersion="1", labelSelector="a=1")
        kinds = ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
        assert [kind for kind, _ in found] == kinds

    with_store(None, use)


def test_a_bookmark_comes_although_only_others_are_written(monkeypatch):
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.1)

    async def use(store: Store) -> None:
        async def act() -> None:
            for number in range(15):
                await put(store, f"other-{number}", labels={"a": "2"})
                await asyncio.sleep(0.02)

        query = {"resourceVersion": "1", "labelSelector": "a=1", "allowWatchBookmarks": "true"}
        found = await follow(store, act, 3, **query)
        versions = [version for _, version in found]
        assert [kind for kind, _ in found] == ["bookmark"] * 3
        assert versions == sorted(versions)
        assert 1 < versions[0] <= versions[-1]

    with_store(None, use)


def test_what_cannot_be_told_any_more_is_410_and_what_is_not_yet_is_504(monkeypatch):
    monkeypatch.setattr(history, "MOST_EVENTS", 2)

    async def use(store: Store) -> None:
        for number in range(5):
            await put(store, f"n{number}")
        assert await follow(store, resourceVersion="2") == [410]
        assert await follow(store, resourceVersion="99") == [504]

    with_store(None, use)


def test_a_reader_who_cannot_follow_hears_410(monkeypatch):
    monkeypatch.setattr(history, "MOST_BEHIND", 3)

    async def use(store: Store) -> None:
        options = list_options(RESOURCE, {"resourceVersion": "1"}, watch=True)
        stream = watch(store, RESOURCE, None, options)
        async with aclosing(stream):
            await put(store, "n0")
            assert isinstance(await anext(stream), Change)
            for number in range(1, 9):
                await put(store, f"n{number}")
            assert (await anext(stream)).error.status == 410
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        assert not any(store._history._watchers.values())

    with_store(None, use)


def test_a_watch_ends_with_its_store_and_with_its_time():
    async def life() -> list[object]:
        store = await Store.open(None)
        await asyncio.wait_for(follow(store, timeoutSeconds="1"), 10)
        return await asyncio.wait_for(follow(store, store.close, timeoutSeconds="60"), 10)

    assert asyncio.run(life()) == []


@pytest.mark.parametrize(
    "query",
    [
        {"sendInitialEvents": "true"},
        {"resourceVersionMatch": "NotOlderThan"},
        {"sendInitialEvents": "true", "resourceVersionMatch": "Exact", "resourceVersion": "1"},
    ],
)
def test_options_that_do_not_fit_together_are_refused(query):
    with pytest.raises(ApiError) as refused:
        list_options(RESOURCE, query, watch=True)

    assert refused.value.status == 422
