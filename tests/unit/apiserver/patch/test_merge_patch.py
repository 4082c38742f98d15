"""RFC 7386: null removes, an object goes on inside, everything else replaces."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.apiserver.patch.merge_patch import merge_patch

_SCALARS = st.one_of(st.booleans(), st.integers(-3, 3), st.text(max_size=3))
_NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(_NAMES, VALUES, max_size=3)


# The examples of RFC 7386 whose target and patch are objects.
@pytest.mark.parametrize(
    ("tree", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc(
    tree: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merge_patch(tree, patch) == expected


def between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return a patch from one object to another, neither of which holds a null."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        old = before.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        patch[key] = between(old, value) if both else value  # type: ignore[arg-type]  # both says it
    return patch


@given(TREES, TREES)
def test_a_difference_turns_one_object_into_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert merge_patch(before, between(before, after)) == after


@given(TREES, TREES)
def test_a_patch_twice_is_the_patch_once_and_changes_no_argument(
    tree: dict[str, Any], patch: dict[str, Any]
) -> None:
    kept = copy.deepcopy((tree, patch))

    once = merge_patch(tree, patch)

    assert merge_patch(once, patch) == once
    assert (tree, patch) == kept
