"""Server-side apply: who owns which field, who may take it, and what falls when nobody wants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from support.api_client import MERGE
from support.api_objects import config_map, function

if TYPE_CHECKING:
    from support.api_client import Api

Tree = dict[str, Any]


def managers(tree: Tree) -> dict[tuple[str, str, str], Tree]:
    """Return (manager, operation, subresource) -> fields."""
    return {
        (one["manager"], one["operation"], one.get("subresource", "")): one["fieldsV1"]
        for one in tree["metadata"].get("managedFields", [])
    }


def test_the_first_apply_creates_and_owns_exactly_what_it_says(api: Api) -> None:
    answer = api.apply("configmaps/a", config_map("a", {"x": "1"}, labels={"l": "1"}))
    assert answer.status == 201, answer.body
    (entry,) = answer.tree["metadata"]["managedFields"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("time"))
    assert entry == {
        "manager": "suite",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:x": {}}, "f:metadata": {"f:labels": {"f:l": {}}}},
    }


def test_an_apply_again_changes_nothing(api: Api) -> None:
    first = api.apply("configmaps/a", config_map("a"))
    again = api.apply("configmaps/a", config_map("a"))
    assert (first.status, again.status) == (201, 200)
    assert first.tree == again.tree


def test_a_field_that_its_only_owner_leaves_out_falls(api: Api) -> None:
    api.apply("configmaps/a", config_map("a", {"x": "1", "y": "2"}))
    answer = api.apply("configmaps/a", config_map("a", {"y": "2"})).tree
    assert answer["data"] == {"y": "2"}
    assert managers(answer)["suite", "Apply", ""] == {"f:data": {"f:y": {}}}


def test_a_field_that_another_also_owns_stays(api: Api) -> None:
    api.apply("configmaps/a", config_map("a", {"x": "1", "y": "2"}))
    api.apply("configmaps/a", config_map("a", {"x": "1"}), "other")
    answer = api.apply("configmaps/a", config_map("a", {"y": "2"})).tree
    assert answer["data"] == {"x": "1", "y": "2"}


def test_the_field_of_another_is_a_conflict_that_names_both(api: Api) -> None:
    api.apply("configmaps/a", config_map("a", {"x": "1"}), "first")
    answer = api.apply("configmaps/a", config_map("a", {"x": "2"}), "second")
    assert (answer.status, answer.tree["reason"]) == (409, "Conflict")
    assert answer.tree["message"] == 'Apply failed with 1 conflict: conflict with "first": .data.x'
    assert answer.tree["details"] == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "first"',
                "field": ".data.x",
            }
        ]
    }


def test_force_takes_the_field_and_the_ownership(api: Api) -> None:
    api.apply("configmaps/a", config_map("a", {"x": "1", "y": "1"}), "first")
    answer = api.apply("configmaps/a", config_map("a", {"x": "2"}), "second", force="true").tree
    assert answer["data"] == {"x": "2", "y": "1"}
    assert managers(answer) == {
        ("first", "Apply", ""): {"f:data": {"f:y": {}}},
        ("second", "Apply", ""): {"f:data": {"f:x": {}}},
    }


def test_an_update_takes_what_it_changes(api: Api) -> None:
    api.apply("configmaps/a", config_map("a", {"x": "1", "y": "1"}), "first")
    api.patch("configmaps/a", {"data": {"x": "2"}}, MERGE, fieldManager="editor")
    answer = api.get("configmaps/a").tree
    assert managers(answer) == {
        ("first", "Apply", ""): {"f:data": {"f:y": {}}},
        ("editor", "Update", ""): {"f:data": {"f:x": {}}},
    }
    conflict = api.apply("configmaps/a", config_map("a", {"x": "1", "y": "1"}), "first")
    assert conflict.status == 409
    assert 'conflict with "editor" using v1' in conflict.tree["message"]


def test_two_who_apply_the_same_value_share_it(api: Api) -> None:
    api.apply("configmaps/a", config_map("a", {"x": "1"}), "first")
    answer = api.apply("configmaps/a", config_map("a", {"x": "1"}), "second")
    assert answer.status == 200
    owned = {"f:data": {"f:x": {}}}
    assert managers(answer.tree) == {("first", "Apply", ""): owned, ("second", "Apply", ""): owned}


def test_created_objects_are_owned_by_the_program_that_made_them(api: Api) -> None:
    api.request("POST", "configmaps", config_map("a"), headers={"User-Agent": "Tool/1.2 (x)"})
    assert managers(api.get("configmaps/a").tree) == {
        ("Tool", "Update", ""): {"f:data": {".": {}, "f:key": {}}}
    }
    api.post("configmaps", config_map("b", labels={"l": "1"}), fieldManager="named")
    assert managers(api.get("configmaps/b").tree) == {
        ("named", "Update", ""): {
            "f:data": {".": {}, "f:key": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}
        }
    }  # fmt: skip


def test_a_list_with_keys_is_owned_item_by_item(api: Api) -> None:
    env = [{"name": "A", "value": "1"}]
    made = api.apply("functions/f", function("f", {"env": env}), "first").tree
    assert managers(made)["first", "Apply", ""]["f:spec"]["f:env"] == {
        'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}
    }
    other = {
        "apiVersion": made["apiVersion"], "kind": "Function", "metadata": {"name": "f"},
        "spec": {"env": [{"name": "B", "value": "2"}]},
    }  # fmt: skip
    both = api.apply("functions/f", other, "second").tree
    assert both["spec"]["env"] == [*env, {"name": "B", "value": "2"}]
    without = api.apply("functions/f", function("f"), "first").tree
    assert without["spec"]["env"] == [{"name": "B", "value": "2"}]


def test_a_function_that_is_created_is_owned_to_its_leaves(api: Api) -> None:
    api.post("functions", function("f"), fieldManager="maker")
    fields = managers(api.get("functions/f").tree)["maker", "Update", ""]
    assert fields == {
        "f:spec": {
            ".": {}, "f:runtime": {}, "f:source": {".": {}, "f:inline": {".": {}, "f:source": {}}}
        }
    }  # fmt: skip


def test_status_has_managers_of_its_own(api: Api) -> None:
    made = api.apply("functions/f", function("f"), "user").tree
    conditions = [
        {"type": "Running", "status": "True", "reason": "R", "message": "m",
         "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ]  # fmt: skip
    body = {
        "apiVersion": made["apiVersion"], "kind": "Function", "metadata": {"name": "f"},
        "status": {"conditions": conditions},
    }  # fmt: skip
    answer = api.apply("functions/f/status", body, "controller")
    assert answer.status == 200, answer.body
    owned = managers(answer.tree)
    assert set(owned) == {("user", "Apply", ""), ("controller", "Apply", "status")}
    assert "f:conditions" in owned["controller", "Apply", "status"]["f:status"]


REFUSED = [
    ("no manager", {}, config_map("a"), 422),
    ("a manager that is too long", {"fieldManager": "m" * 129}, config_map("a"), 422),
    ("managed fields in the body", {"fieldManager": "m"}, config_map("a", managedFields=[{}]), 400),
    ("another name", {"fieldManager": "m"}, config_map("b"), 400),
    ("no kind", {"fieldManager": "m"}, {"metadata": {"name": "a"}}, 400),
    ("an unknown field", {"fieldManager": "m"}, {**config_map("a"), "colour": "red"}, 500),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
def test_an_apply_that_cannot_be_is_refused(api: Api, case: Any) -> None:
    _, query, body, code = case
    answer = api.patch("configmaps/a", body, "application/apply-patch+yaml", **query)
    assert answer.status == code, answer.body
    assert api.get("configmaps/a").status == 404


def test_force_is_only_for_apply(api: Api) -> None:
    api.post("configmaps", config_map("a"))
    answer = api.patch("configmaps/a", {"data": {"x": "1"}}, MERGE, force="true")
    assert (answer.status, answer.causes) == (422, {("force", "FieldValueForbidden")})


def test_an_apply_of_a_dry_run_shows_and_keeps_nothing(api: Api) -> None:
    assert api.apply("configmaps/a", config_map("a"), dryRun="All").status == 201
    assert api.get("configmaps/a").status == 404


def test_clearing_the_managed_fields_is_allowed(api: Api) -> None:
    api.apply("configmaps/a", config_map("a"))
    answer = api.patch("configmaps/a", {"metadata": {"managedFields": [{}]}}, MERGE)
    assert "managedFields" not in answer.tree["metadata"]
