"""Who owns what after writes that are no applies."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.apiserver.patch.managed_fields import ANCIENT, MOST_UPDATERS, Writer, updated

Tree = dict[str, Any]
SCHEMA: Tree = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                },
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}
UID = {"uid": "u1", "name": "a"}


def write(
    before: Tree | None, wanted: Tree, manager: str = "m", now: str = "t1", subresource: str = ""
) -> Tree:
    whole = {"apiVersion": "x/v1", "kind": "K", **wanted}
    whole["metadata"] = {**UID, **wanted.get("metadata", {})}
    return updated(SCHEMA, before, whole, Writer(manager, subresource, "x/v1", now))


def owned(tree: Tree) -> dict[str, Tree]:
    return {one["manager"]: one["fieldsV1"] for one in tree["metadata"].get("managedFields", ())}


def test_a_create_owns_what_it_sets_and_no_name() -> None:
    tree = write(None, {"metadata": {"labels": {"l": "1"}}, "spec": {"size": 1}})

    assert tree["metadata"]["managedFields"] == [
        {
            "manager": "m",
            "operation": "Update",
            "apiVersion": "x/v1",
            "time": "t1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
                "f:spec": {".": {}, "f:size": {}},
            },
        }
    ]


def test_an_update_takes_what_it_changes_and_who_owns_nothing_goes() -> None:
    first = write(None, {"spec": {"size": 1}}, "one")
    second = write(first, {"spec": {"size": 2}}, "two")
    third = write(second, {}, "three")

    assert owned(second) == {"one": {"f:spec": {}}, "two": {"f:spec": {"f:size": {}}}}
    assert owned(third) == {}


def test_an_update_that_changes_nothing_keeps_the_times() -> None:
    first = write(None, {"spec": {"size": 1}}, now="t1")

    again = write(first, {"spec": {"size": 1}}, "other", now="t2")

    assert again["metadata"]["managedFields"] == first["metadata"]["managedFields"]


def test_an_atomic_object_is_owned_as_one() -> None:
    tree = write(None, {"spec": {"whole": {"a": 1, "b": {"c": 2}}}})

    assert owned(tree)["m"]["f:spec"] == {".": {}, "f:whole": {}}


def test_the_status_door_owns_apart_and_cannot_set_owners() -> None:
    first = write(None, {"spec": {"size": 1}})

    second = write(
        first,
        {"spec": {"size": 1}, "status": {"ready": True}, "metadata": {"managedFields": [{}]}},
        subresource="status",
    )

    entries = second["metadata"]["managedFields"]
    assert [entry.get("subresource") for entry in entries] == [None, "status"]
    assert entries[1]["fieldsV1"] == {"f:status": {".": {}, "f:ready": {}}}


@pytest.mark.parametrize("reset", [[], [{}]])
def test_owners_can_be_cleared_and_stay_cleared(reset: list[Tree]) -> None:
    first = write(None, {"spec": {"size": 1}})

    cleared = write(first, {"spec": {"size": 1}, "metadata": {"managedFields": reset}})
    later = write(cleared, {"spec": {"size": 2}})

    assert owned(cleared) == owned(later) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"operation": "Frob", "apiVersion": "x/v1", "fieldsType": "FieldsV1"},
        {"operation": "Update", "fieldsType": "FieldsV1"},
        {"operation": "Update", "apiVersion": "x/v1"},
        {"operation": "Update", "apiVersion": "x/v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": {}}},
        "entry",
    ],
)  # fmt: skip
def test_owners_that_nobody_can_read_are_replaced_by_the_stored_ones(entry: Any) -> None:
    first = write(None, {"spec": {"size": 1}}, "one")

    second = write(first, {"spec": {"size": 1}, "metadata": {"managedFields": [entry]}}, "two")

    assert owned(second) == owned(first)


def test_a_writer_may_name_the_owners_itself() -> None:
    first = write(None, {"spec": {"size": 1}}, "one")
    entry = {**first["metadata"]["managedFields"][0], "manager": "renamed"}

    second = write(first, {"spec": {"size": 1}, "metadata": {"managedFields": [entry]}}, "two")

    assert set(owned(second)) == {"renamed"}


def test_the_oldest_updaters_become_one_entry() -> None:
    tree = write(None, {"metadata": {"labels": {"l0": "1"}}}, "m0", "t00")
    for number in range(1, MOST_UPDATERS + 2):
        labels = {**tree["metadata"]["labels"], f"l{number}": "1"}
        tree = write(tree, {"metadata": {**tree["metadata"], "labels": labels}}, f"m{number}",
                     f"t{number:02}")  # fmt: skip

    found = owned(tree)
    assert len(found) == MOST_UPDATERS
    assert set(found[ANCIENT]["f:metadata"]["f:labels"]) == {".", "f:l0", "f:l1", "f:l2"}


def test_items_without_their_key_have_no_owners() -> None:
    first = write(None, {"spec": {"items": [{"name": "x"}]}})

    second = write(first, {"spec": {"items": [{}]}})

    assert "f:items" in owned(first)["m"]["f:spec"]
    assert owned(second) == {}


def test_items_that_repeat_are_owned_as_one() -> None:
    single, double = [{"name": "x"}], [{"name": "x"}, {"name": "x"}]
    first = write(None, {"spec": {"items": single}}, "one")
    second = write(first, {"spec": {"items": double}}, "two")
    third = write(second, {"spec": {"items": single}}, "three")

    key = 'k:{"name":"x"}'
    assert owned(second)["two"]["f:spec"]["f:items"] == {key: {}}
    assert owned(third)["three"]["f:spec"]["f:items"] == {key: {".": {}, "f:name": {}}}


def test_what_became_one_whole_is_owned_as_a_whole() -> None:
    first = write(None, {"spec": {"whole": {"a": 1}}}, "one")
    entry = first["metadata"]["managedFields"][0]
    entry["fieldsV1"] = {"f:spec": {"f:whole": {"f:a": {}}}}

    second = write(first, {"spec": {"whole": {"a": 1}, "size": 1}}, "two")

    assert owned(second)["one"] == {"f:spec": {"f:whole": {}}}
