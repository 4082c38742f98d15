"""JSON patch, merge patch and strategic merge patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.api_client import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC
from support.api_objects import config_map, function, owner

if TYPE_CHECKING:
    from support.api_client import Api

DATA = {"a": "1", "b": "2"}
# What a patch makes of DATA, or the code that refuses it.
PATCHES: list[tuple[str, str, Any, dict[str, str] | int]] = [
    ("merge sets", MERGE, {"data": {"c": "3"}}, {"a": "1", "b": "2", "c": "3"}),
    ("merge removes with null", MERGE, {"data": {"a": None}}, {"b": "2"}),
    ("merge ignores a null for nothing", MERGE, {"data": {"z": None}}, DATA),
    ("merge of a list", MERGE, [], 400),
    ("strategic sets", STRATEGIC, {"data": {"a": "9"}}, {"a": "9", "b": "2"}),
    ("strategic removes with null", STRATEGIC, {"data": {"b": None}}, {"a": "1"}),
    ("strategic replaces", STRATEGIC, {"data": {"$patch": "replace", "x": "y"}}, {"x": "y"}),
    ("json adds", JSON_PATCH, [{"op": "add", "path": "/data/c", "value": "3"}], {**DATA, "c": "3"}),
    ("json replaces", JSON_PATCH, [{"op": "replace", "path": "/data/a", "value": "3"}], {"a": "3", "b": "2"}),
    ("json removes", JSON_PATCH, [{"op": "remove", "path": "/data/a"}], {"b": "2"}),
    ("json moves", JSON_PATCH, [{"op": "move", "from": "/data/a", "path": "/data/z"}], {"b": "2", "z": "1"}),
    ("json copies", JSON_PATCH, [{"op": "copy", "from": "/data/a", "path": "/data/z"}], {**DATA, "z": "1"}),
    ("json tests what holds", JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "1"}], DATA),
    ("json tests what does not", JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "2"}], 422),
    ("json replaces nothing", JSON_PATCH, [{"op": "replace", "path": "/data/z", "value": "3"}], {**DATA, "z": "3"}),
    ("json removes nothing", JSON_PATCH, [{"op": "remove", "path": "/data/z"}], 422),
    ("json without a parent", JSON_PATCH, [{"op": "add", "path": "/nope/z", "value": "3"}], 422),
    ("json with an unknown op", JSON_PATCH, [{"op": "frob", "path": "/data/a"}], 422),
    ("json that is an object", JSON_PATCH, {"data": {}}, 400),
    ("json makes it invalid", JSON_PATCH, [{"op": "add", "path": "/data/a~1b", "value": "3"}], 422),
    ("not a patch type", JSON, {"data": {}}, 415),
    ("another name", MERGE, {"metadata": {"name": "other"}}, 400),
    ("an old version", MERGE, {"metadata": {"resourceVersion": "1"}}, 409),
    ("another uid", MERGE, {"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}}, 422),
]  # fmt: skip


@pytest.mark.parametrize("case", PATCHES, ids=[case[0] for case in PATCHES])
def test_a_patch_makes_what_its_kind_says(api: Api, case: Any) -> None:
    _, content, body, expected = case
    api.post("configmaps", config_map("a", DATA))
    answer = api.patch("configmaps/a", body, content)
    if isinstance(expected, int):
        assert answer.status == expected, answer.body
        assert answer.tree["kind"] == "Status"
        assert api.get("configmaps/a").tree["data"] == DATA
    else:
        assert answer.status == 200, answer.body
        assert answer.tree["data"] == expected
        assert api.get("configmaps/a").tree["data"] == expected


def test_a_strategic_merge_joins_lists_of_a_core_kind_by_key(api: Api) -> None:
    # Owners that exist, or the garbage collector would take the object away.
    made = [owner(api.post("configmaps", config_map(name)).tree) for name in ("x", "y")]
    first, second = (one["uid"] for one in made)
    api.post("configmaps", config_map("a", ownerReferences=made[:1], finalizers=["test.io/x"]))
    body = {"metadata": {"ownerReferences": made[1:], "finalizers": ["test.io/y"]}}
    metadata = api.patch("configmaps/a", body, STRATEGIC).tree["metadata"]
    assert {one["uid"] for one in metadata["ownerReferences"]} == {first, second}
    assert set(metadata["finalizers"]) == {"test.io/x", "test.io/y"}
    removal = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": first}]}}
    metadata = api.patch("configmaps/a", removal, STRATEGIC).tree["metadata"]
    assert [one["uid"] for one in metadata["ownerReferences"]] == [second]


def test_a_function_knows_no_strategic_merge(api: Api) -> None:
    api.post("functions", function("f"))
    answer = api.patch("functions/f", {"spec": {"runtime": "python314"}}, STRATEGIC)
    assert (answer.status, answer.tree["reason"]) == (415, "UnsupportedMediaType")
    assert APPLY in answer.tree["message"]


def test_a_merge_patch_replaces_a_list_of_a_function(api: Api) -> None:
    api.post("functions", function("f", {"env": [{"name": "A", "value": "1"}]}))
    spec = api.patch("functions/f", {"spec": {"env": [{"name": "B", "value": "2"}]}}).tree["spec"]
    assert spec["env"] == [{"name": "B", "value": "2"}]


def test_a_patch_that_breaks_a_function_changes_nothing(api: Api) -> None:
    before = api.post("functions", function("f")).tree
    answer = api.patch("functions/f", {"spec": {"runtime": "cobol74"}})
    assert answer.status == 422
    assert ("spec.runtime", "FieldValueNotSupported") in answer.causes
    assert api.get("functions/f").tree == before
