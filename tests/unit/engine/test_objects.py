"""Typed objects out of the store."""

from __future__ import annotations

import asyncio

from casemate.api.meta import FunctionRef
from casemate.apiserver.store.database import Store
from casemate.engine.objects import Objects
from support.stored import a_function, key_of, put

REF = FunctionRef("default", "hello")
HELLO = a_function("hello", "python313", "def main(event, context): return 1")
SECRET = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="},
}  # fmt: skip


def read(*trees, seen=lambda objects: objects.read(REF)):
    async def scenario():
        store = await Store.open(None)
        try:
            for tree in trees:
                await put(store, tree)
            return seen(Objects(store))
        finally:
            await store.close()

    return asyncio.run(scenario())


def test_a_function_is_read_with_its_generation_and_uid():
    stored = read(HELLO, HELLO)

    assert stored.function.spec.runtime == "python313"
    assert (stored.generation, stored.uid) == (2, stored.function.metadata.uid)
    assert stored.fault is None


def test_what_is_stored_is_parsed_once():
    first, again = read(HELLO, seen=lambda objects: (objects.read(REF), objects.read(REF)))

    assert first is again


def test_an_object_of_an_older_version_is_a_fault_of_its_own_and_no_error():
    old = {**HELLO, "spec": {**HELLO["spec"], "runtime": "python27", "forgotten": 1}}

    stored = read(old)

    assert stored.function is None
    assert stored.fault.reason == "InvalidFunctionSpec"
    assert "forgotten" in stored.fault.message
    assert stored.runtime == "python27"


def test_a_stored_function_that_breaks_a_rule_across_fields_is_not_run():
    # ATTACK: what was written past admission must not be run for that.
    wide = {**HELLO["spec"], "scaling": {"min": 3, "max": 1}}

    assert read({**HELLO, "spec": wide}).function is None


def test_source_is_not_quoted_in_the_fault_of_an_unreadable_function():
    spec = {**HELLO["spec"], "source": {"inline": {"source": 7, "dependencies": "trade-secret"}}}

    assert "trade-secret" not in read({**HELLO, "spec": spec}).fault.message


def test_a_secret_that_cannot_be_read_is_not_there():
    bad = {**SECRET, "data": {"a": "not base64!"}}

    assert read(SECRET, seen=lambda objects: objects.secret("default", "s")).values() == {"a": b"b"}
    assert read(bad, seen=lambda objects: objects.secret("default", "s")) is None


def test_labels_of_a_namespace_are_known_and_an_absent_one_has_none():
    team = {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "labels": {"team": "a"}}}  # fmt: skip

    def labels(objects):
        return objects.namespace_labels("shop"), objects.namespace_labels("other")

    assert read(team, seen=labels) == ({"team": "a"}, {})


def test_a_deleted_function_is_gone():
    async def scenario():
        store = await Store.open(None)
        stored = await put(store, HELLO)
        objects = Objects(store)
        before = objects.read(REF)
        await store.delete(key_of(HELLO), expected=stored.resource_version, tree=stored.tree())
        after = objects.read(REF), objects.refs()
        await store.close()
        return before, after

    before, after = asyncio.run(scenario())

    assert before is not None
    assert after == (None, [])
