"""Strategic merge: lists of built-in kinds merge by key, and directives say the rest."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.apiserver.patch.strategic import strategic_merge
from casemate.apiserver.status_error import ApiError

_TEXT = {"type": "string"}
_ITEM = {"type": "object", "properties": {"name": _TEXT, "value": _TEXT, "other": _TEXT}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "env": {
            "type": "array", "items": _ITEM,
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
        },
        "mounts": {
            "type": "array", "items": _ITEM,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        },
        "args": {"type": "array", "items": _TEXT},
        "strategy": {
            "type": "object", "x-kubernetes-patch-strategy": "retainKeys",
            "properties": {"type": _TEXT, "rolling": {"type": "object"}},
        },
        "whole": {"type": "object", "x-kubernetes-patch-strategy": "replace"},
        "data": {"type": "object", "additionalProperties": _TEXT},
    },
}  # fmt: skip
A, B, C = ({"name": name, "value": "1"} for name in "abc")


@pytest.mark.parametrize(
    ("tree", "patch", "expected"),
    [
        ({"env": [A, B]}, {"env": [{"name": "b", "value": "2"}]},
         {"env": [A, {"name": "b", "value": "2"}]}),
        ({"env": [A]}, {"env": [{"name": "a", "other": "x"}]}, {"env": [{**A, "other": "x"}]}),
        ({"mounts": [A]}, {"mounts": [B]}, {"mounts": [B, A]}),
        ({"env": [A, B]}, {"env": [{"name": "a", "$patch": "delete"}]}, {"env": [B]}),
        ({"env": [A, B]}, {"env": [C, {"$patch": "replace"}]}, {"env": [C]}),
        ({"env": [A, B, C]},
         {"env": [C], "$setElementOrder/env": [{"name": "c"}, {"name": "a"}]}, {"env": [B, C, A]}),
        ({"args": ["1", "2"]}, {"args": ["3"]}, {"args": ["3"]}),
        ({"metadata": {"finalizers": ["p"]}}, {"metadata": {"finalizers": ["q", "p"]}},
         {"metadata": {"finalizers": ["q", "p"]}}),
        ({"metadata": {"finalizers": ["p", "q"]}},
         {"metadata": {"$deleteFromPrimitiveList/finalizers": ["p"]}},
         {"metadata": {"finalizers": ["q"]}}),
        ({"strategy": {"type": "R", "rolling": {"x": 1}}},
         {"strategy": {"$retainKeys": ["type"], "type": "S"}}, {"strategy": {"type": "S"}}),
        ({"whole": {"a": 1}}, {"whole": {"b": 1}}, {"whole": {"b": 1}}),
        ({"data": {"a": "1"}}, {"data": {"$patch": "replace", "b": "2"}}, {"data": {"b": "2"}}),
        ({"data": {"a": "1"}}, {"data": {"$patch": "delete"}}, {"data": {}}),
        ({"data": {"a": "1"}}, {"data": {"a": None, "b": "2"}}, {"data": {"b": "2"}}),
        ({"data": {"a": "1"}}, {"data": None}, {}),
        ({}, {"data": {"a": None, "b": "2"}}, {"data": {"b": "2"}}),
        ({}, {"env": [A, {"name": "b", "$patch": "delete"}]}, {"env": [A]}),
    ],
)  # fmt: skip
def test_a_patch_makes_what_kubernetes_makes_of_it(
    tree: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert strategic_merge(SCHEMA, tree, patch) == expected


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({"env": [{"value": "2"}]}, 500),
        ({"env": ["a"]}, 500),
        ({"env": [{"name": "a", "$patch": "merge"}]}, 500),
        ({"data": {"$patch": "frob"}}, 500),
        ({"env": [C, B], "$setElementOrder/env": [{"name": "b"}, {"name": "c"}]}, 500),
        ({"env": "x", "$setElementOrder/env": []}, 400),
        ({"$setElementOrder/env": {}}, 400),
        ({"strategy": {"$retainKeys": ["rolling"], "type": "S"}}, 400),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "p"}}, 400),
    ],
)
def test_a_patch_that_contradicts_itself_is_refused(patch: dict[str, Any], status: int) -> None:
    tree = {"env": [A], "data": {}, "strategy": {}, "metadata": {}}

    with pytest.raises(ApiError) as refused:
        strategic_merge(SCHEMA, tree, patch)

    assert refused.value.status == status
