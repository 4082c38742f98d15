"""Delete: finalizers, preconditions, owners and namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import becomes, config_map, function, owner

if TYPE_CHECKING:
    from support.api_client import Api


def is_gone(api: Api, path: str) -> bool:
    return api.get(path).status == 404


def test_a_deleted_object_is_gone_and_the_answer_says_which(api: Api) -> None:
    uid = api.post("functions", function("f")).tree["metadata"]["uid"]
    answer = api.delete("functions/f").tree
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {
        "name": "f", "group": "serverless.kyma-project.io", "kind": "functions", "uid": uid
    }  # fmt: skip
    assert is_gone(api, "functions/f")


def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api) -> None:
    api.post("functions", function("f", finalizers=["test.io/hold"]))
    answer = api.delete("functions/f")
    assert (answer.status, answer.tree["kind"]) == (200, "Function")
    metadata = answer.tree["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 0
    assert metadata["deletionTimestamp"]
    assert metadata["generation"] == 2
    assert (
        api.delete("functions/f").tree["metadata"]["deletionTimestamp"]
        == metadata["deletionTimestamp"]
    )
    api.patch("functions/f", {"metadata": {"finalizers": []}})
    assert is_gone(api, "functions/f")


def test_a_dying_object_takes_no_new_finalizer(api: Api) -> None:
    api.post("configmaps", config_map("a", finalizers=["test.io/hold"]))
    api.delete("configmaps/a")
    answer = api.patch("configmaps/a", {"metadata": {"finalizers": ["test.io/hold", "test.io/b"]}})
    assert (answer.status, answer.causes) == (422, {("metadata.finalizers", "FieldValueForbidden")})


PRECONDITIONS: list[tuple[str, dict[str, Any], int]] = [
    ("another uid", {"preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}}, 409),
    ("an old version", {"preconditions": {"resourceVersion": "1"}}, 409),
    ("two ways at once", {"propagationPolicy": "Orphan", "orphanDependents": True}, 422),
    ("an unknown way", {"propagationPolicy": "Sideways"}, 422),
    ("grace below zero", {"gracePeriodSeconds": -1}, 200),
    ("nothing special", {}, 200),
]


@pytest.mark.parametrize("case", PRECONDITIONS, ids=[case[0] for case in PRECONDITIONS])
def test_a_delete_happens_only_under_its_conditions(api: Api, case: Any) -> None:
    _, options, code = case
    api.post("configmaps", config_map("a"))
    body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
    assert api.delete("configmaps/a", body).status == code
    assert is_gone(api, "configmaps/a") is (code == 200)


def test_a_delete_under_the_right_conditions_happens(api: Api) -> None:
    metadata = api.post("configmaps", config_map("a")).tree["metadata"]
    wanted = {name: metadata[name] for name in ("uid", "resourceVersion")}
    assert api.delete("configmaps/a", {"preconditions": wanted}).status == 200


def test_a_collection_goes_as_selected(api: Api) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        api.post("configmaps", config_map(name, labels={"l": label}))
    answer = api.delete("configmaps", labelSelector="l=x")
    assert (answer.status, answer.tree["kind"]) == (200, "ConfigMapList")
    left = [item["metadata"]["name"] for item in api.get("configmaps").tree["items"]]
    assert left == ["c"]


def _family(api: Api, **reference: Any) -> None:
    parent = api.post("functions", function("parent")).tree
    child = config_map("child", ownerReferences=[owner(parent, **reference)])
    assert api.post("configmaps", child).status == 201


def test_what_is_owned_goes_after_its_owner(api: Api) -> None:
    _family(api)
    api.delete("functions/parent")
    assert is_gone(api, "functions/parent")
    assert becomes(lambda: is_gone(api, "configmaps/child"))


def test_an_orphan_stays_and_forgets_its_owner(api: Api) -> None:
    _family(api)
    answer = api.delete("functions/parent", {"propagationPolicy": "Orphan"})
    assert answer.tree["metadata"]["finalizers"] == ["orphan"]
    assert becomes(lambda: is_gone(api, "functions/parent"))
    assert "ownerReferences" not in api.get("configmaps/child").tree["metadata"]


def test_in_the_foreground_the_owner_goes_last(api: Api) -> None:
    _family(api, blockOwnerDeletion=True, controller=True)
    api.patch("configmaps/child", {"metadata": {"finalizers": ["test.io/hold"]}})
    answer = api.delete("functions/parent", {"propagationPolicy": "Foreground"})
    assert answer.tree["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert becomes(lambda: "deletionTimestamp" in api.get("configmaps/child").tree["metadata"])
    assert api.get("functions/parent").status == 200
    api.patch("configmaps/child", {"metadata": {"finalizers": None}})
    assert becomes(lambda: is_gone(api, "functions/parent"))
    assert is_gone(api, "configmaps/child")


def test_what_names_an_owner_that_never_was_goes_too(api: Api) -> None:
    parent = api.post("functions", function("parent")).tree
    reference = owner(parent) | {"uid": "11111111-1111-1111-1111-111111111111"}
    api.post("configmaps", config_map("child", ownerReferences=[reference]))
    assert becomes(lambda: is_gone(api, "configmaps/child"))


def test_what_another_owner_still_wants_stays(api: Api) -> None:
    owners = [owner(api.post("functions", function(name)).tree) for name in ("one", "two")]
    api.post("configmaps", config_map("child", ownerReferences=owners))
    api.delete("functions/one")
    assert becomes(
        lambda: [one["name"] for one in api.get("configmaps/child").tree["metadata"]["ownerReferences"]]
        == ["two"]
    )  # fmt: skip


def test_an_object_has_at_most_one_controller(api: Api) -> None:
    owners = [
        owner(api.post("functions", function(name)).tree, controller=True) for name in ("a", "b")
    ]
    answer = api.post("configmaps", config_map("child", ownerReferences=owners))
    assert (answer.status, answer.causes) == (
        422,
        {("metadata.ownerReferences", "FieldValueInvalid")},
    )


def test_a_namespace_takes_everything_in_it_along(api: Api) -> None:
    api.post("functions", function("f"))
    api.post("configmaps", config_map("a"))
    path = f"/api/v1/namespaces/{api.namespace}"
    answer = api.delete(path)
    assert (answer.status, answer.tree["status"]["phase"]) == (200, "Terminating")
    assert becomes(lambda: is_gone(api, path))
    assert is_gone(api, "functions/f")
    assert is_gone(api, "configmaps/a")


def test_a_dying_namespace_takes_nothing_new(api: Api) -> None:
    api.post("configmaps", config_map("a", finalizers=["test.io/hold"]))
    path = f"/api/v1/namespaces/{api.namespace}"
    api.delete(path)
    answer = api.post("configmaps", config_map("b"))
    assert (answer.status, answer.tree["reason"]) == (403, "Forbidden")
    assert answer.causes == {("metadata.namespace", "NamespaceTerminating")}
    assert api.get(path).tree["status"]["phase"] == "Terminating"
    assert becomes(lambda: "deletionTimestamp" in api.get("configmaps/a").tree["metadata"])
    api.patch("configmaps/a", {"metadata": {"finalizers": None}})
    assert becomes(lambda: is_gone(api, path))


def test_a_namespace_that_is_not_there_takes_nothing(server: Api) -> None:
    answer = server.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert (answer.status, answer.tree["reason"]) == (404, "NotFound")
    assert answer.tree["message"] == 'namespaces "nowhere" not found'


def test_the_default_namespace_cannot_be_deleted(server: Api) -> None:
    answer = server.delete("/api/v1/namespaces/default")
    assert (answer.status, answer.tree["reason"]) == (403, "Forbidden")
