"""List and watch: pages, versions, selectors, bookmarks, and what is said to those who ask for the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import config_map, function

if TYPE_CHECKING:
    from support.api_client import Api

Tree = dict[str, Any]
NO_SUCH_VERSION = 10**12


def fill(api: Api, count: int, **labels: str) -> None:
    for number in range(count):
        api.post("configmaps", config_map(f"m{number}", labels=labels or {"n": str(number)}))


def names(tree: Tree) -> list[str]:
    return [item["metadata"]["name"] for item in tree["items"]]


def summary(events: list[Tree]) -> list[tuple[str, str]]:
    return [(one["type"], one["object"]["metadata"].get("name", "")) for one in events]


def test_a_list_is_sorted_by_name_and_says_its_kind_once(api: Api) -> None:
    for name in ("b", "a", "c"):
        api.post("configmaps", config_map(name))
    listed = api.get("configmaps").tree
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(listed) == ["a", "b", "c"]
    assert all("kind" not in item and "apiVersion" not in item for item in listed["items"])
    assert listed["metadata"]["resourceVersion"].isdigit()


def test_a_list_of_functions_says_the_kind_of_each(api: Api) -> None:
    api.post("functions", function("f"))
    listed = api.get("functions").tree
    assert listed["kind"] == "FunctionList"
    assert listed["items"][0]["kind"] == "Function"


def test_an_empty_list_has_items(api: Api) -> None:
    assert api.get("functions").tree["items"] == []


def test_pages_are_of_one_moment_and_count_what_remains(api: Api) -> None:
    fill(api, 5)
    first = api.get("configmaps", limit=2).tree
    assert names(first) == ["m0", "m1"]
    assert first["metadata"]["remainingItemCount"] == 3
    api.delete("configmaps/m3")
    second = api.get("configmaps", limit=2, **{"continue": first["metadata"]["continue"]}).tree
    assert names(second) == ["m2", "m3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    third = api.get("configmaps", limit=2, **{"continue": second["metadata"]["continue"]}).tree
    assert names(third) == ["m4"]
    assert "continue" not in third["metadata"]
    assert "remainingItemCount" not in third["metadata"]


LABELS = [
    ("n=1", ["m1"]), ("n==1", ["m1"]), ("n!=1", ["m0", "m2"]), ("n in (0,2)", ["m0", "m2"]),
    ("n notin (0)", ["m1", "m2"]), ("n", ["m0", "m1", "m2"]), ("!n", []), ("n=1,n=2", []),
    ("n>0", ["m1", "m2"]), ("n<1", ["m0"]), ("absent!=x", ["m0", "m1", "m2"]),
]  # fmt: skip


@pytest.mark.parametrize(("selector", "expected"), LABELS)
def test_labels_select(api: Api, selector: str, expected: list[str]) -> None:
    fill(api, 3)
    assert names(api.get("configmaps", labelSelector=selector).tree) == expected


FIELDS = [
    ("configmaps", "metadata.name=m1", ["m1"]),
    ("configmaps", "metadata.name!=m1", ["m0", "m2"]),
    ("configmaps", "metadata.namespace=nowhere", []),
    ("secrets", "type=Opaque", []),
]


@pytest.mark.parametrize(("path", "selector", "expected"), FIELDS)
def test_fields_select(api: Api, path: str, selector: str, expected: list[str]) -> None:
    fill(api, 3)
    assert names(api.get(path, fieldSelector=selector).tree) == expected


# (what is asked, the code, the causes)
WRONG: list[tuple[Tree, int, set[tuple[str, str]]]] = [
    ({"labelSelector": "a in"}, 400, set()),
    ({"labelSelector": "a=b=c"}, 400, set()),
    ({"fieldSelector": "data.key=x"}, 400, set()),
    ({"fieldSelector": "nonsense"}, 400, set()),
    ({"continue": "nonsense"}, 400, set()),
    ({"limit": "many"}, 400, set()),
    ({"resourceVersion": "abc"}, 400, set()),
    ({"resourceVersionMatch": "Exact"}, 422, {("resourceVersionMatch", "FieldValueForbidden")}),
    ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 422, {("resourceVersionMatch", "FieldValueForbidden")}),
    ({"resourceVersionMatch": "Newest", "resourceVersion": "1"}, 422, {("resourceVersionMatch", "FieldValueNotSupported")}),
    ({"sendInitialEvents": "true"}, 422, {("sendInitialEvents", "FieldValueForbidden")}),
    ({"watch": "true", "sendInitialEvents": "true"}, 422, {("resourceVersionMatch", "FieldValueForbidden")}),
    ({"watch": "true", "resourceVersionMatch": "NotOlderThan"}, 422, {("resourceVersionMatch", "FieldValueForbidden")}),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=[str(case[0]) for case in WRONG])
def test_options_that_make_no_sense_are_refused(api: Api, case: Any) -> None:
    query, code, causes = case
    answer = api.get("configmaps", **query)
    assert answer.status == code, answer.body
    if code == 422:
        assert answer.tree["details"]["kind"] == "ListOptions"
        assert causes <= answer.causes, answer.tree


def test_a_list_of_an_exact_version_is_that_version(api: Api) -> None:
    fill(api, 2)
    listed = api.get("configmaps").tree
    version = listed["metadata"]["resourceVersion"]
    again = api.get("configmaps", resourceVersion=version, resourceVersionMatch="Exact").tree
    assert again == listed


def test_a_version_of_the_future_is_a_timeout_that_says_so(api: Api) -> None:
    answer = api.get(
        "configmaps", resourceVersion=NO_SUCH_VERSION, resourceVersionMatch="NotOlderThan"
    )
    assert (answer.status, answer.tree["reason"]) == (504, "Timeout")
    assert ("", "ResourceVersionTooLarge") in answer.causes
    assert answer.tree["details"]["retryAfterSeconds"] == 1


def test_a_watch_from_a_version_sees_each_change_once(api: Api) -> None:
    fill(api, 1)
    version = api.get("configmaps").tree["metadata"]["resourceVersion"]
    api.patch("configmaps/m0", {"data": {"a": "1"}})
    api.post("configmaps", config_map("n"))
    api.delete("configmaps/m0")
    events = api.watch("configmaps", 3, resourceVersion=version)
    assert summary(events) == [("MODIFIED", "m0"), ("ADDED", "n"), ("DELETED", "m0")]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
    assert versions == sorted(versions)
    assert events[0]["object"]["kind"] == "ConfigMap"


def test_a_watch_without_a_version_starts_with_what_is_there(api: Api) -> None:
    fill(api, 2)
    events = api.watch("configmaps", 3, lambda: api.post("configmaps", config_map("z")))
    assert summary(events) == [("ADDED", "m0"), ("ADDED", "m1"), ("ADDED", "z")]


def test_initial_events_end_with_a_bookmark_that_says_so(api: Api) -> None:
    fill(api, 1)
    events = api.watch(
        "configmaps", 3, lambda: api.post("configmaps", config_map("z")),
        sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true",
    )  # fmt: skip
    assert [one["type"] for one in events] == ["ADDED", "BOOKMARK", "ADDED"]
    mark = events[1]["object"]
    assert (mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert mark["metadata"]["resourceVersion"].isdigit()


def test_a_watcher_with_a_selector_sees_objects_come_and_go(api: Api) -> None:
    version = api.get("configmaps").tree["metadata"]["resourceVersion"]
    api.post("configmaps", config_map("a"))
    for value in ("yes", "yes-too", "no"):
        api.patch("configmaps/a", {"metadata": {"labels": {"in": value}}})
    events = api.watch(
        "configmaps", 3, resourceVersion=version, labelSelector="in in (yes,yes-too)"
    )
    assert [one["type"] for one in events] == ["ADDED", "MODIFIED", "DELETED"]


def test_one_object_can_be_watched_by_name(api: Api) -> None:
    fill(api, 2)
    events = api.watch("configmaps", 1, fieldSelector="metadata.name=m1")
    assert summary(events) == [("ADDED", "m1")]


def test_a_watch_ends_when_its_time_is_over(api: Api) -> None:
    version = api.get("configmaps").tree["metadata"]["resourceVersion"]
    assert api.watch("configmaps", 5, resourceVersion=version, timeoutSeconds=1) == []


def test_a_watch_of_one_namespace_hears_nothing_of_another(api: Api) -> None:
    version = api.get("configmaps").tree["metadata"]["resourceVersion"]
    api.post("/api/v1/namespaces/default/configmaps", config_map(f"of-{api.namespace}"))
    api.post("configmaps", config_map("here"))
    assert summary(api.watch("configmaps", 1, resourceVersion=version)) == [("ADDED", "here")]


def test_a_watch_of_a_version_before_the_server_knew_is_gone(api: Api) -> None:
    (event,) = api.watch("functions", 1, resourceVersion=1)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def test_functions_have_a_table_with_the_columns_of_their_definition(api: Api) -> None:
    api.post("functions", function("f"))
    table = api.request("GET", "functions", headers={"Accept": TABLE}).tree
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [(one["name"], one["type"]) for one in table["columnDefinitions"]]
    assert columns == [
        ("Name", "string"), ("Configured", "string"), ("Running", "string"),
        ("Runtime", "string"), ("Version", "integer"), ("Age", "date"),
    ]  # fmt: skip
    (row,) = table["rows"]
    assert row["cells"][0] == "f"
    assert row["cells"][3:5] == ["python313", 1]
    assert (row["object"]["kind"], row["object"]["apiVersion"]) == (
        "PartialObjectMetadata",
        "meta.k8s.io/v1",
    )


# Each kind with its columns, those of `-o wide` last.
COLUMNS = [
    ("configmaps", ["Name", "Data", "Age"]),
    ("secrets", ["Name", "Type", "Data", "Age"]),
    ("serviceaccounts", ["Name", "Age"]),
    ("/api/v1/namespaces", ["Name", "Status", "Age"]),
    ("events", ["Last Seen", "Type", "Reason", "Object", "Subobject", "Source", "Message", "First Seen", "Count", "Name"]),
    ("roles", ["Name", "Created At"]),
    ("rolebindings", ["Name", "Role", "Age", "Users", "Groups", "ServiceAccounts"]),
    ("leases", ["Name", "Holder", "Age"]),
    ("functionsources", ["Name", "Digest", "Age"]),
    ("/apis/casemate.dev/v1alpha1/functionpolicies", ["Name", "Age"]),
    ("controllerrevisions", ["Name", "Controller", "Revision", "Age"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "columns"), COLUMNS, ids=[one[0] for one in COLUMNS])
def test_tables_have_the_columns_that_people_know(api: Api, path: str, columns: list[str]) -> None:
    table = api.request("GET", path, headers={"Accept": TABLE}).tree
    assert [one["name"] for one in table["columnDefinitions"]] == columns


def test_a_caller_may_ask_for_metadata_only(api: Api) -> None:
    api.post("configmaps", config_map("a", labels={"x": "y"}))
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    listed = api.request("GET", "configmaps", headers={"Accept": accept}).tree
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "data" not in listed["items"][0]
    assert listed["items"][0]["metadata"]["labels"] == {"x": "y"}


def test_a_media_type_that_nobody_writes_is_not_acceptable(api: Api) -> None:
    answer = api.request("GET", "configmaps", headers={"Accept": "text/html"})
    assert (answer.status, answer.tree["reason"]) == (406, "NotAcceptable")


def test_a_list_of_all_namespaces_has_those_of_this_one(api: Api) -> None:
    api.post("functions", function("f"))
    listed = api.get("/apis/serverless.kyma-project.io/v1alpha2/functions").tree
    assert api.namespace in {item["metadata"]["namespace"] for item in listed["items"]}
