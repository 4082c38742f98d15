"""Sets of fields: how fieldsV1 is read and written, and the algebra of ownership."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.apiserver.patch.field_set import FieldSet, path_text, read_field_set

_ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"q"'])
_PATHS = st.lists(_ELEMENTS, min_size=1, max_size=3).map(tuple)
SETS = st.lists(_PATHS, max_size=6).map(lambda paths: FieldSet.of(*paths))


def members(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(fields.paths())


def test_a_set_is_written_as_kubernetes_writes_it() -> None:
    fields = FieldSet.of(
        ("f:spec", 'k:{"name":"x"}'), ("f:spec", 'k:{"name":"x"}', "f:name"), ("f:spec", "f:a")
    )

    assert fields.wire() == {"f:spec": {"f:a": {}, 'k:{"name":"x"}': {".": {}, "f:name": {}}}}


@given(SETS)
def test_what_is_written_reads_back(fields: FieldSet) -> None:
    assert members(read_field_set(fields.wire())) == members(fields)


def test_keys_read_the_same_however_they_are_written() -> None:
    fields = read_field_set({'k:{ "b": 1, "a": "x" }': {}, 'v: "q"': {}, "i:01": {}, "z:?": {}})

    assert members(fields) == {('k:{"a":"x","b":1}',), ('v:"q"',), ("i:1",)}


@pytest.mark.parametrize(
    "wire", [[], "f:a", {"a": {}}, {"k:[]": {}}, {"k:{": {}}, {"i:x": {}}, {"f:a": []}]
)
def test_what_is_no_set_is_refused(wire: Any) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_field_set(wire)


@given(SETS, SETS)
def test_sets_are_sets_of_their_paths(one: FieldSet, other: FieldSet) -> None:
    assert members(one | other) == members(one) | members(other)
    assert members(one & other) == members(one) & members(other)
    assert members(one - other) == members(one) - members(other)
    assert bool(one) is bool(members(one))
    assert all(one.has(path) for path in members(one))


@given(SETS, SETS)
def test_a_tree_is_taken_out_with_all_below(one: FieldSet, other: FieldSet) -> None:
    gone = members(other)

    left = members(one.without_trees(other))

    assert left == {
        path
        for path in members(one)
        if not any(path[: length + 1] in gone for length in range(len(path)))
    }


def test_nobody_owns_the_whole_object() -> None:
    fields = FieldSet.of(())

    assert not fields
    assert not fields.has(())
    assert not fields.has(("f:a", "f:b"))


def test_a_path_reads_as_kubectl_shows_it() -> None:
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:x", 'v:"q"', "i:2")

    assert path_text(path) == '.spec.ports[port=80,protocol="TCP"].x[="q"][2]'
