"""RFC 6902 with kube-apiserver's leniency and bounds."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.apiserver.patch.json_patch import MOST_OPERATIONS, json_patch
from casemate.apiserver.status_error import ApiError

TREE: dict[str, Any] = {"a": {"b": [1, 2, 3], "x/y": {"~": 0}}, "flag": True, "none": None}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    return json_patch(TREE, list(operations))


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ({"op": "add", "path": "/a/b/1", "value": 9}, ("a", "b"), [1, 9, 2, 3]),
        ({"op": "add", "path": "/a/b/-", "value": 9}, ("a", "b"), [1, 2, 3, 9]),
        ({"op": "add", "path": "/a/b/3", "value": 9}, ("a", "b"), [1, 2, 3, 9]),
        ({"op": "remove", "path": "/a/b/0"}, ("a", "b"), [2, 3]),
        ({"op": "remove", "path": "/a/b/-1"}, ("a", "b"), [1, 2]),
        ({"op": "replace", "path": "/a/b/2", "value": {}}, ("a", "b"), [1, 2, {}]),
        ({"op": "add", "path": "/a/x~1y/~0", "value": 1}, ("a", "x/y"), {"~": 1}),
        ({"op": "replace", "path": "/a/new", "value": 1}, ("a", "new"), 1),
        ({"op": "move", "from": "/a/b/0", "path": "/a/b/2"}, ("a", "b"), [2, 3, 1]),
        ({"op": "copy", "from": "/a/b", "path": "/a/c"}, ("a", "c"), [1, 2, 3]),
        ({"op": "copy", "from": "/nothing", "path": "/a/c"}, ("a", "c"), None),
        ({"op": "test", "path": "/a/b", "value": [1, 2, 3]}, ("a", "b"), [1, 2, 3]),
        ({"op": "test", "path": "/absent", "value": None}, ("none",), None),
    ],
)
def test_an_operation_does_what_it_says(
    operation: dict[str, Any], path: tuple[str, ...], expected: Any
) -> None:
    found: Any = patched(operation)

    for key in path:
        found = found[key]
    assert found == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/flag", "value": 1},
        {"op": "test", "path": "/a/b/0", "value": True},
        {"op": "test", "path": "", "value": {}},
        {"op": "remove", "path": "/absent"},
        {"op": "remove", "path": "/a/b/3"},
        {"op": "add", "path": "/a/b/4", "value": 1},
        {"op": "add", "path": "/a/b/-5", "value": 1},
        {"op": "add", "path": "/a/b/1e0", "value": 1},
        {"op": "add", "path": "/a/b/٣", "value": 1},
        {"op": "add", "path": "/flag/x", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "", "value": 1},
        {"op": "add", "value": 1},
        {"op": "replace", "path": "", "value": 1},
        {"op": "move", "from": "/absent", "path": "/x"},
        {"op": "move", "from": "/a", "path": "/a/b"},
        {"op": "frob", "path": "/a"},
        {"op": ["add"], "path": "/a"},
        {"path": "/a"},
    ],
)
def test_an_operation_that_does_not_fit_refuses_the_whole_patch(operation: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        patched({"op": "add", "path": "/first", "value": 1}, operation)

    assert (refused.value.status, refused.value.reason) == (422, "Invalid")
    assert "first" not in TREE


def test_the_given_tree_and_patch_stay_as_they_are() -> None:
    value: list[Any] = []

    after = json_patch({"a": {}}, [
        {"op": "add", "path": "/b", "value": value},
        {"op": "add", "path": "/b/-", "value": 1},
    ])  # fmt: skip

    assert (value, after) == ([], {"a": {}, "b": [1]})


@pytest.mark.parametrize("given", [{"op": "add"}, ["add"], "add", None, [[]]])
def test_what_is_no_list_of_operations_is_refused(given: Any) -> None:
    with pytest.raises(ApiError) as refused:
        json_patch({}, given)

    assert refused.value.status == 400


def test_an_object_may_be_replaced_and_not_by_a_list() -> None:
    assert json_patch({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 1}}]) == {"b": 1}
    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1}, [{"op": "replace", "path": "", "value": []}])
    assert refused.value.status == 400


def test_more_operations_than_kubernetes_takes_are_refused() -> None:
    step = {"op": "test", "path": "/a", "value": 1}
    assert json_patch({"a": 1}, [step] * MOST_OPERATIONS) == {"a": 1}

    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1}, [step] * (MOST_OPERATIONS + 1))

    assert (refused.value.status, refused.value.reason) == (413, "RequestEntityTooLarge")


def test_copies_cannot_grow_without_bound() -> None:
    double = {"op": "copy", "from": "/a", "path": "/a/-"}

    assert len(str(json_patch({"a": ["x" * 10]}, [double] * 10))) > 10_000
    with pytest.raises(ApiError) as refused:
        json_patch({"a": ["x" * 10]}, [double] * 40)

    assert refused.value.status == 422
