"""What is to be done about an object whose owners or dependents change."""

from __future__ import annotations

import pytest

from casemate.apiserver.kinds import served_resources
from casemate.apiserver.owners import (
    Delete,
    DeleteDependents,
    DropOwners,
    FreeDependents,
    Owners,
    Unblock,
)
from casemate.apiserver.store.objects import ObjectKey, StoredObject

KINDS = {(one.api_version, one.kind): one for one in served_resources()}


def a_key(name, namespace="shop"):
    return ObjectKey("", "configmaps", namespace, name)


def owned_by(*names, kind="ConfigMap", version="v1", blocks=False):
    return [
        {"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}"}
        | ({"blockOwnerDeletion": True} if blocks else {})
        for name in names
    ]


def owners(**objects):
    """An index over config maps by name; each value is metadata."""
    stored = {}
    for name, metadata in objects.items():
        key = a_key(name)
        tree = {"metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"} | metadata}
        stored[key] = StoredObject.of(key, tree, 1)
    index = Owners(KINDS, stored.get)
    for key, one in stored.items():
        index.note(key, one.tree())
    return index


def ending(*finalizers):
    return {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": list(finalizers)}


def test_an_object_whose_owner_is_there_stays():
    assert owners(a={}, b={"ownerReferences": owned_by("a")}).action(a_key("b")) is None


def test_an_object_whose_owners_are_all_gone_goes():
    index = owners(b={"ownerReferences": owned_by("a", "c")})

    assert index.action(a_key("b")) == Delete()


def test_an_object_that_still_has_an_owner_loses_only_the_others():
    index = owners(a={}, b={"ownerReferences": owned_by("a", "gone")})

    assert index.action(a_key("b")) == DropOwners(frozenset({"uid-gone"}))


def test_an_owner_of_the_same_name_with_another_uid_is_another():
    index = owners(a={"uid": "made-again"}, b={"ownerReferences": owned_by("a")})

    assert index.action(a_key("b")) == Delete()


@pytest.mark.parametrize(
    ("kind", "version"), [("Deployment", "apps/v1"), ("Pod", "v1"), ("ConfigMap", "v2")]
)
def test_an_owner_of_a_kind_that_is_not_kept_here_is_never_taken_for_gone(kind, version):
    index = owners(b={"ownerReferences": owned_by("a", kind=kind, version=version)})

    assert index.action(a_key("b")) is None


def test_a_foreground_deletion_takes_its_dependents_first_and_waits_for_those_that_block():
    index = owners(
        a=ending("foregroundDeletion"),
        b={"ownerReferences": owned_by("a", blocks=True)},
        c={"ownerReferences": owned_by("a")},
    )

    assert index.action(a_key("a")) == DeleteDependents((a_key("b"), a_key("c")))
    assert index.action(a_key("b")) is None


def test_a_foreground_deletion_ends_when_nothing_blocks_it():
    index = owners(a=ending("foregroundDeletion"), c={"ownerReferences": owned_by("a")})

    assert index.action(a_key("a")) == Unblock("foregroundDeletion")


def test_an_orphaning_deletion_frees_its_dependents_before_it_ends():
    index = owners(a=ending("orphan"), b={"ownerReferences": owned_by("a")})

    assert index.action(a_key("a")) == FreeDependents((a_key("b"),), "uid-a")
    index.note(a_key("b"), {"metadata": {}})
    assert index.action(a_key("a")) == Unblock("orphan")


def test_an_object_that_waits_for_others_finalizers_is_left_alone():
    assert owners(a=ending("example.com/mine")).action(a_key("a")) is None
    assert owners().action(a_key("ghost")) is None


def test_the_index_forgets_what_is_gone():
    index = owners(a={}, b={"ownerReferences": owned_by("a")})
    assert index.dependents("uid-a") == (a_key("b"),)

    index.note(a_key("b"), None)

    assert index.dependents("uid-a") == ()
