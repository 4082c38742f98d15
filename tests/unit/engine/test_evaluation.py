"""A Function is judged by its Pods and named as the user named it."""

from __future__ import annotations

import pytest

from casemate.engine.evaluation import evaluate_manifests
from casemate.render.errors import Unrenderable
from support.functions import a_manifest

OPEN_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "open"},
    "spec": {"containers": [{"name": "c", "image": "x", "securityContext": {"privileged": True}}]},
}


def judged(*documents: object, level: str = "restricted") -> list[dict]:
    return evaluate_manifests([("f.yaml", one) for one in documents], level, "latest")


def test_a_function_is_reported_under_its_own_kind_and_name():
    (answer,) = judged(a_manifest("hello"))

    assert answer == {
        "file": "f.yaml", "kind": "Function", "name": "hello", "allowed": True, "violations": [],
    }  # fmt: skip


def test_what_stands_beside_a_function_keeps_its_place_and_name():
    answers = judged(OPEN_POD, a_manifest("hello"), OPEN_POD)

    assert [(one["kind"], one["name"], one["allowed"]) for one in answers] == [
        ("Pod", "open", False),
        ("Function", "hello", True),
        ("Pod", "open", False),
    ]


def test_a_function_in_a_list_is_rendered_too():
    (first, second) = judged({"kind": "List", "items": [a_manifest("hello"), OPEN_POD]})

    assert (first["kind"], first["name"], first["allowed"]) == ("Function", "hello", True)
    assert (second["kind"], second["allowed"]) == ("Pod", False)


def test_the_rendered_pod_is_what_is_judged():
    # The default Pod would be allowed; only rendering can find out that this one asks for more.
    loose = a_manifest("loose", containerSecurityContext={"privileged": True})

    with pytest.raises(Unrenderable, match="privileged"):
        judged(loose)


def test_an_invalid_function_is_not_allowed():
    (answer,) = judged(a_manifest("hello", runtime="cobol"))

    assert (answer["kind"], answer["name"], answer["allowed"]) == ("Function", "hello", False)


def test_empty_documents_are_left_out():
    assert judged(None) == []
