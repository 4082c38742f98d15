"""Server-side apply: ownership, conflicts, what falls and what stays."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.apiserver.patch.apply import LAST_APPLIED, apply
from casemate.apiserver.patch.managed_fields import Writer, updated
from casemate.apiserver.status_error import ApiError

Tree = dict[str, Any]
_TEXT = {"type": "string"}
SCHEMA: Tree = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "a": _TEXT,
                "b": _TEXT,
                "labels": {"type": "object", "additionalProperties": _TEXT},
                "args": {"type": "array", "items": _TEXT},
                "tags": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
                "env": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": _TEXT, "value": _TEXT}},
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "port": {"x-kubernetes-int-or-string": True},
                "on": {"type": "boolean"},
                "size": {"type": "integer"},
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}


def applied(
    stored: Tree | None, spec: Tree, manager: str = "one", *, force: bool = False, **more: Any
) -> Tree:
    body = {"apiVersion": "x/v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec, **more}
    writer = Writer(manager, "", "x/v1", "t1")
    return apply(SCHEMA, stored, body, writer, force=force, reset=("status",))


def written(before: Tree | None, spec: Tree, manager: str = "updater", **metadata: Any) -> Tree:
    tree = {"apiVersion": "x/v1", "kind": "K", "spec": spec,
            "metadata": {"name": "n", "uid": "u", **metadata}}  # fmt: skip
    return updated(SCHEMA, before, tree, Writer(manager, "", "x/v1", "t0"))


def owned(tree: Tree) -> dict[str, Tree]:
    entries = tree["metadata"].get("managedFields", ())
    return {one["manager"]: one["fieldsV1"].get("f:spec", {}) for one in entries}


def conflict(run: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        run()
    assert refused.value.status == 409
    return refused.value


def test_an_apply_owns_what_it_says_and_another_adds_to_it() -> None:
    first = applied(None, {"a": "1", "env": [{"name": "x", "value": "1"}]})
    second = applied(first, {"env": [{"name": "y"}]}, "two")

    assert second["spec"] == {"a": "1", "env": [{"name": "x", "value": "1"}, {"name": "y"}]}
    assert owned(second) == {
        "one": {"f:a": {}, "f:env": {'k:{"name":"x"}': {".": {}, "f:name": {}, "f:value": {}}}},
        "two": {"f:env": {'k:{"name":"y"}': {".": {}, "f:name": {}}}},
    }


def test_what_an_applier_says_no_more_falls_unless_another_owns_it() -> None:
    first = applied(None, {"a": "1", "b": "1", "tags": ["p", "q"]})
    shared = applied(first, {"b": "1", "tags": ["q"]}, "two")

    after = applied(shared, {"tags": []})

    assert after["spec"] == {"b": "1", "tags": ["q"]}
    assert owned(after)["two"] == {"f:b": {}, "f:tags": {'v:"q"': {}}}


def test_an_item_falls_though_what_another_put_into_it_stays() -> None:
    first = applied(None, {"env": [{"name": "x"}]})
    second = applied(first, {"env": [{"name": "x", "value": "1"}]}, "two")

    after = applied(second, {"a": "1"})

    assert after["spec"]["env"] == [{"name": "x", "value": "1"}]


def test_a_field_of_another_at_another_value_is_a_conflict_that_names_both() -> None:
    first = applied(None, {"a": "1"})

    one = conflict(lambda: applied(first, {"a": "2"}, "two"))

    assert one.message == 'Apply failed with 1 conflict: conflict with "one": .spec.a'
    assert [cause.wire() for cause in one.causes] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.a"}
    ]


def test_conflicts_with_updates_name_the_version_and_the_door() -> None:
    live = written(None, {"a": "1", "b": "1"}, "kubectl-client-side-apply")
    entry = copy.deepcopy(live["metadata"]["managedFields"][0])
    live["metadata"]["managedFields"].append(entry | {"subresource": "status", "manager": "c"})

    found = conflict(lambda: applied(live, {"a": "2", "b": "2"}, "two"))

    assert found.message == (
        'Apply failed with 4 conflicts: conflicts with "c" with subresource "status" using x/v1:\n'
        "- .spec.a\n- .spec.b\n"
        'conflicts with "kubectl-client-side-apply" using x/v1:\n- .spec.a\n- .spec.b'
    )


def test_force_takes_the_field() -> None:
    first = applied(None, {"a": "1", "b": "1"})

    after = applied(first, {"a": "2"}, "two", force=True)

    assert after["spec"] == {"a": "2", "b": "1"}
    assert owned(after) == {"one": {"f:b": {}}, "two": {"f:a": {}}}


def test_the_first_apply_does_not_take_what_nobody_was_followed_for() -> None:
    live = written(None, {"a": "1"})
    del live["metadata"]["managedFields"]

    found = conflict(lambda: applied(live, {"a": "2"}))
    kept = applied(live, {"b": "2"})

    assert '"before-first-apply" using x/v1' in found.message
    assert kept["spec"] == {"a": "1", "b": "2"}
    assert set(owned(kept)) == {"before-first-apply", "one"}


def test_an_atomic_list_changes_hands_as_a_whole() -> None:
    first = applied(None, {"args": ["1", "2"]})

    found = conflict(lambda: applied(first, {"args": ["1"]}, "two"))

    assert found.causes[0].field == ".spec.args"


def test_what_no_schema_describes_is_owned_by_its_shape() -> None:
    tree = applied(None, {"free": {"x": {"y": 1}, "l": [1]}})

    assert owned(tree)["one"]["f:free"] == {
        "f:l": {}, "f:x": {".": {}, "f:y": {}},
    }  # fmt: skip


def test_a_field_that_this_door_cannot_write_is_not_owned() -> None:
    tree = applied(None, {"a": "1"}, status={"ready": True})

    assert tree["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:a": {}}}


def test_kubectl_takes_over_what_it_applied_from_the_client() -> None:
    spec = {"a": "1", "b": "1"}
    body = {"apiVersion": "x/v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec}
    live = written(None, spec, "kubectl-client-side-apply",
                   annotations={LAST_APPLIED: json.dumps(body)})  # fmt: skip

    after = applied(live, {"a": "<2>", "b": "1"}, "kubectl")

    assert after["spec"]["a"] == "<2>"
    noted = after["metadata"]["annotations"][LAST_APPLIED]
    assert json.loads(noted)["spec"] == {"a": "<2>", "b": "1"}
    assert "\\u003c2\\u003e" in noted
    assert noted.endswith("\n")


_DEEP = '{"apiVersion":"x/v1","spec":{"free":' + '{"x":' * 700 + "1" + "}" * 702


@pytest.mark.parametrize(
    "last",
    ["", "{", "[]", '{"apiVersion":"other/v1"}', _DEEP, "[" * 100_000],
    ids=["empty", "cut", "list", "version", "deep", "deeper"],
)
def test_kubectl_takes_nothing_over_without_a_record(last: str) -> None:
    live = written(None, {"a": "1"}, "kubectl-client-side-apply",
                   annotations={LAST_APPLIED: last})  # fmt: skip

    conflict(lambda: applied(live, {"a": "2"}, "kubectl"))


def test_kubectl_does_not_take_over_what_was_changed_since() -> None:
    body = {"apiVersion": "x/v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"a": "1"}}
    note = {LAST_APPLIED: json.dumps(body)}
    live = written(None, {"a": "1", "b": "1"}, "kubectl-client-side-apply", annotations=note)
    live = written(live, {"a": "9", "b": "1"}, "somebody", annotations=note)

    found = conflict(lambda: applied(live, {"a": "2"}, "kubectl"))

    assert [cause.message for cause in found.causes] == ['conflict with "somebody" using x/v1']


def test_owners_in_the_body_are_refused() -> None:
    with pytest.raises(ApiError, match="managedFields must be nil"):
        applied(None, {}, metadata={"name": "n", "managedFields": []})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"zz": 1}, ".spec.zz: field not declared in schema"),
        ({"a": 1}, ".spec.a: expected string, got"),
        ({"on": "yes"}, ".spec.on: expected boolean, got"),
        ({"size": True}, ".spec.size: expected numeric (int or float), got"),
        ({"labels": []}, ".spec.labels: expected map, got"),
        ({"env": {}}, ".spec.env: expected list, got"),
        ({"env": [{"value": "1"}]}, "omits all key fields"),
        ({"env": [None]}, "may not have a null element"),
        ({"env": ["x"]}, "may not have non-map elements"),
        ({"env": [{"name": "x"}, {"name": "x"}]}, 'duplicate entries for key [name="x"]'),
        ({"tags": [{}]}, "has an element that's a map type"),
        ({"tags": [[]]}, "lists as elements"),
        ({"tags": [None]}, "explicit null"),
    ],
)
def test_what_no_schema_allows_is_refused_before_anything_is_merged(spec: Tree, said: str) -> None:
    with pytest.raises(ApiError) as refused:
        applied(None, spec)

    assert (refused.value.status, refused.value.reason) == (500, "")
    assert said in refused.value.message


def test_a_refusal_never_shows_the_value() -> None:
    with pytest.raises(ApiError) as refused:
        applied(None, {"size": "hunter2", "on": "hunter2"})

    assert "hunter2" not in refused.value.message


def test_unreadable_owners_stop_an_apply() -> None:
    live = written(None, {"a": "1"})
    live["metadata"]["managedFields"][0]["operation"] = "Frob"

    with pytest.raises(ApiError, match="failed to decode managed fields"):
        applied(live, {"a": "1"})


_SPECS = st.fixed_dictionaries(
    {},
    optional={
        "a": st.sampled_from("12"),
        "port": st.sampled_from([80, "http"]),
        "labels": st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2),
        "tags": st.lists(st.sampled_from("pqr"), unique=True),
        "env": st.lists(st.sampled_from("pqr"), unique=True).map(
            lambda names: [{"name": name} for name in names]
        ),
    },
)


@given(_SPECS, _SPECS)
def test_an_apply_again_changes_nothing(before: Tree, spec: Tree) -> None:
    once = applied(applied(None, before, "two"), spec, force=True)

    again = applied(once, spec, force=True)

    assert again == once


@given(_SPECS, _SPECS)
def test_an_apply_keeps_its_arguments_and_contains_what_was_said(before: Tree, spec: Tree) -> None:
    first = applied(None, before, "two")
    kept = copy.deepcopy((first, spec))

    after = applied(first, spec, force=True)

    assert (first, spec) == kept
    for name in spec.keys() & {"a", "port"}:
        assert after["spec"][name] == spec[name]
    for name in spec.keys() & {"tags", "env"}:
        ours = [item for item in after["spec"].get(name, []) if item in spec[name]]
        assert ours == spec[name]
