"""What the server sets in metadata, and what a client cannot."""

from __future__ import annotations

import copy
import re

import pytest

from casemate.apiserver.object_meta import (
    before_create,
    before_update,
    begin_deletion,
    is_finished,
    same_object,
)
from casemate.apiserver.resource import Resource, Subresource
from casemate.apiserver.status_error import ApiError

NOW = "2026-01-02T03:04:05Z"
STATUS = Subresource("status", "Widget", "example.org", "v1", ("get", "update", "patch"))
WIDGET = Resource(
    "example.org", "v1", "widgets", "widget", "Widget", namespaced=True,
    schema={"properties": {"spec": {"type": "object"}}}, subresources={"status": STATUS},
)  # fmt: skip
STORED = {
    "kind": "Widget",
    "metadata": {
        "name": "a", "namespace": "shop", "uid": "u1", "generation": 3,
        "creationTimestamp": NOW, "resourceVersion": "7",
    },
    "spec": {"size": 1},
    "status": {"ready": True},
}  # fmt: skip


def test_a_new_object_gets_what_the_client_claimed_replaced() -> None:
    tree = {
        "metadata": {"name": "a", "uid": "forged", "generation": 99, "resourceVersion": "5",
                     "creationTimestamp": "1999-01-01T00:00:00Z", "deletionTimestamp": NOW},
        "status": {"ready": True},
    }  # fmt: skip

    before_create(WIDGET, tree, "shop", NOW)

    metadata = tree["metadata"]
    assert metadata["uid"] != "forged"
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == NOW
    assert metadata["namespace"] == "shop"
    assert "deletionTimestamp" not in metadata
    assert "resourceVersion" not in metadata
    assert "status" not in tree


def test_a_generated_name_keeps_its_base_and_stays_a_name() -> None:
    tree = {"metadata": {"generateName": "x" * 70 + "-"}}

    before_create(WIDGET, tree, "shop", NOW)

    assert re.fullmatch(r"x{58}[bcdfghjklmnpqrstvwxz2456789]{5}", tree["metadata"]["name"])


def test_a_name_is_required() -> None:
    with pytest.raises(ApiError) as caught:
        before_create(WIDGET, {"metadata": {}}, "shop", NOW)

    assert [(c.field, c.reason) for c in caught.value.causes] == [
        ("metadata.name", "FieldValueRequired")
    ]


def test_an_update_cannot_change_what_is_the_servers_or_the_status() -> None:
    tree = copy.deepcopy(STORED)
    tree["metadata"] |= {"uid": "forged", "generation": 50, "creationTimestamp": "x"}
    tree["status"] = {"ready": False}

    before_update(WIDGET, STORED, tree, "")

    assert tree["metadata"]["uid"] == "u1"
    assert tree["metadata"]["generation"] == 3
    assert tree["status"] == {"ready": True}


def test_a_changed_spec_is_a_new_generation_and_changed_labels_are_not() -> None:
    spec, labels = copy.deepcopy(STORED), copy.deepcopy(STORED)
    spec["spec"]["size"] = 2
    labels["metadata"]["labels"] = {"a": "b"}

    before_update(WIDGET, STORED, spec, "")
    before_update(WIDGET, STORED, labels, "")

    assert spec["metadata"]["generation"] == 4
    assert labels["metadata"]["generation"] == 3
    assert labels["metadata"]["labels"] == {"a": "b"}


def test_a_status_update_changes_nothing_but_the_status() -> None:
    tree = copy.deepcopy(STORED)
    tree["spec"]["size"] = 9
    tree["status"] = {"ready": False}

    before_update(WIDGET, STORED, tree, "status")

    assert tree["spec"] == {"size": 1}
    assert tree["status"] == {"ready": False}
    assert tree["metadata"]["generation"] == 3


def test_an_object_is_gone_only_when_no_finalizer_holds_it() -> None:
    tree = copy.deepcopy(STORED)
    tree["metadata"]["finalizers"] = ["example.org/wait"]

    begin_deletion(WIDGET, tree, NOW, ())
    held = is_finished(tree)
    tree["metadata"]["finalizers"] = []

    assert not held
    assert is_finished(tree)


def test_only_times_and_revisions_make_no_difference() -> None:
    other = copy.deepcopy(STORED)
    other["metadata"]["resourceVersion"] = "8"
    changed = copy.deepcopy(STORED)
    changed["metadata"]["labels"] = {"a": "b"}

    assert same_object(STORED, other)
    assert not same_object(STORED, changed)
