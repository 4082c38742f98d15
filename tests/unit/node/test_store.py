"""The store: an entry is whole or absent, found by its digest, and bounded."""

from __future__ import annotations

import os
import threading
import time

import pytest

from casemate.errors import Internal
from casemate.node import trees
from casemate.node.store import CorruptEntry, Kind, Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    yield made
    trees.remove(tmp_path / "store")


def writes(text: str):
    def build(tree):
        (tree / "file").write_text(text)

    return build


@pytest.mark.parametrize("key", ["../x", "a/b", "", ".", "UPPER", "x" * 200])
def test_a_key_that_climbs_is_refused(store, key):
    with pytest.raises(Internal):
        store.ensure(Kind.LAYER, key, writes("x"))


def test_an_entry_is_built_once_and_found_afterwards(store):
    calls = []

    def build(tree):
        calls.append(1)
        writes("x")(tree)

    first = store.ensure(Kind.LAYER, "k", build)
    second = store.ensure(Kind.LAYER, "k", build)

    assert (calls, first.digest) == ([1], second.digest)
    assert (second.path / "file").read_text() == "x"


def test_a_build_that_fails_leaves_nothing(store):
    def build(tree):
        writes("half")(tree)
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        store.ensure(Kind.LAYER, "k", build)

    assert store.find(Kind.LAYER, "k") is None
    assert list((store.root / "tmp").iterdir()) == []


def test_two_builders_of_one_key_build_it_once(store):
    calls = []

    def build(tree):
        calls.append(1)
        time.sleep(0.1)
        writes("x")(tree)

    threads = [
        threading.Thread(target=store.ensure, args=(Kind.LAYER, "k", build)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert calls == [1]


def test_equal_content_is_one_entry(store):
    assert store.put(Kind.ROOT, writes("x")).key == store.put(Kind.ROOT, writes("x")).key
    assert store.put(Kind.ROOT, writes("x")).key != store.put(Kind.ROOT, writes("y")).key


def test_a_changed_byte_is_noticed(store):
    stored = store.ensure(Kind.SOURCE, "k", writes("x"))
    store.verify(Kind.SOURCE, "k")
    (stored.path / "file").chmod(0o644)
    (stored.path / "file").write_text("y")

    with pytest.raises(CorruptEntry):
        store.verify(Kind.SOURCE, "k")


def test_collection_removes_the_longest_unused_and_keeps_what_is_named(store):
    for number, key in enumerate(("old", "kept", "new")):
        store.ensure(Kind.LAYER, key, writes("x" * 100))
        meta = store.root / Kind.LAYER / key / "meta.json"
        os.utime(meta, (number, number))

    removed = store.collect(Kind.LAYER, keep={"kept"}, max_bytes=200, unused_seconds=60)

    assert removed == ("old",)
    assert store.find(Kind.LAYER, "old") is None
    assert store.find(Kind.LAYER, "new") is not None


def test_entries_in_use_stay_whatever_they_cost(store):
    store.ensure(Kind.LAYER, "k", writes("x"))

    assert store.collect(Kind.LAYER, keep=(), max_bytes=0, unused_seconds=60) == ()


def test_the_store_is_closed_to_others(store):
    assert store.root.stat().st_mode & 0o077 == 0
