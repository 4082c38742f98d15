"""Create, read, replace, status and scale, and what is said to those who do it wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import config_map, function

if TYPE_CHECKING:
    from support.api_client import Api

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_a_created_object_carries_what_the_server_adds(api: Api) -> None:
    answer = api.post("configmaps", config_map("a", labels={"x": "y"}))
    assert answer.status == 201
    metadata = answer.tree["metadata"]
    assert set(metadata) == {
        "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels", "managedFields"
    }  # fmt: skip
    assert (answer.tree["kind"], answer.tree["apiVersion"]) == ("ConfigMap", "v1")
    assert metadata["namespace"] == api.namespace
    assert UUID.fullmatch(metadata["uid"])
    assert TIME.fullmatch(metadata["creationTimestamp"])
    assert metadata["resourceVersion"].isdigit()
    assert api.get("configmaps/a").tree == answer.tree


def test_a_function_has_a_generation_that_only_its_spec_moves(api: Api) -> None:
    first = api.post("functions", function("f")).tree
    assert first["metadata"]["generation"] == 1
    labelled = api.patch("functions/f", {"metadata": {"labels": {"a": "b"}}}).tree
    assert labelled["metadata"]["generation"] == 1
    changed = api.patch("functions/f", {"spec": {"runtime": "python314"}}).tree
    assert changed["metadata"]["generation"] == 2


def test_a_write_that_changes_nothing_keeps_the_version(api: Api) -> None:
    first = api.post("configmaps", config_map("a")).tree
    again = api.put("configmaps/a", first).tree
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_generated_name_starts_as_asked_and_differs_each_time(api: Api) -> None:
    body = config_map("x")
    body["metadata"] = {"generateName": "job-"}
    names = [api.post("configmaps", body).tree["metadata"]["name"] for _ in range(2)]
    assert names[0] != names[1]
    assert all(re.fullmatch(r"job-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_a_secret_with_string_data_is_kept_as_data(api: Api) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}}
    answer = api.post("secrets", body).tree
    assert answer["data"] == {"a": "Yg==", "c": "ZA=="}
    assert answer["type"] == "Opaque"
    assert "stringData" not in answer


STATUSES: list[tuple[str, str, str, dict[str, Any] | None, int, str, dict[str, str]]] = [
    ("absent object", "GET", "configmaps/none", None, 404, "NotFound", {"name": "none", "kind": "configmaps"}),
    ("absent function", "GET", "functions/none", None, 404, "NotFound",
     {"name": "none", "kind": "functions", "group": "serverless.kyma-project.io"}),
    ("delete of nothing", "DELETE", "configmaps/none", None, 404, "NotFound", {"name": "none", "kind": "configmaps"}),
    ("put of nothing", "PUT", "configmaps/none", config_map("none", resourceVersion="1"), 404, "NotFound",
     {"name": "none", "kind": "configmaps"}),
    ("name twice", "POST", "configmaps", config_map("taken"), 409, "AlreadyExists", {"name": "taken", "kind": "configmaps"}),
    ("name in path and body differ", "PUT", "configmaps/taken", config_map("other"), 400, "BadRequest", {}),
    ("no name", "POST", "configmaps", {"data": {}}, 422, "Invalid", {"kind": "ConfigMap"}),
    ("bad name", "POST", "configmaps", config_map("A_b"), 422, "Invalid", {"kind": "ConfigMap", "name": "A_b"}),
    ("other kind", "POST", "configmaps", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}, 400, "BadRequest", {}),
    ("other namespace", "POST", "configmaps", config_map("a", namespace="elsewhere"), 400, "BadRequest", {}),
    ("post to an object", "POST", "configmaps/a", config_map("a"), 405, "MethodNotAllowed", {}),
    ("put to a list", "PUT", "configmaps", config_map("a"), 405, "MethodNotAllowed", {}),
    ("unknown resource", "GET", "/api/v1/namespaces/default/nothings", None, 404, "NotFound", {}),
    ("unknown group", "GET", "/apis/nothing.io/v1/things", None, 404, "", {}),
    ("bad label", "POST", "configmaps", config_map("a", labels={"a b": "c"}), 422, "Invalid", {"kind": "ConfigMap", "name": "a"}),
    ("bad key", "POST", "configmaps", config_map("a", data={"a/b": "c"}), 422, "Invalid", {"kind": "ConfigMap", "name": "a"}),
    ("uid of another", "PUT", "configmaps/taken", config_map("taken", uid="11111111-1111-1111-1111-111111111111"), 409, "Conflict",
     {"name": "taken", "kind": "configmaps"}),
    ("create in all namespaces", "POST", "/api/v1/configmaps", config_map("a"), 405, "MethodNotAllowed", {}),
    ("delete in all namespaces", "DELETE", "/api/v1/configmaps", None, 405, "MethodNotAllowed", {}),
    ("name too long", "POST", "configmaps", config_map("a" * 254), 422, "Invalid", {"kind": "ConfigMap"}),
    ("too much data", "POST", "configmaps", config_map("a", data={"a": "x" * (1 << 20) + "y"}), 422, "Invalid", {"kind": "ConfigMap"}),
    ("number as text", "POST", "configmaps", {"metadata": {"name": "a"}, "data": {"a": 1}}, 400, "BadRequest", {}),
    ("number as label", "POST", "functions", function("a", labels={"a": 1}), 400, "BadRequest", {}),
    ("no base64", "POST", "secrets", {"metadata": {"name": "a"}, "data": {"a": "%%%"}}, 400, "BadRequest", {}),
    ("half a certificate", "POST", "secrets", {"metadata": {"name": "a"}, "type": "kubernetes.io/tls", "data": {}}, 422, "Invalid", {"kind": "Secret"}),
    ("role for nothing", "POST", "roles", {"metadata": {"name": "a"}, "rules": [{"verbs": []}]}, 422, "Invalid", {"kind": "Role"}),
    ("event of elsewhere", "POST", "events", {"metadata": {"name": "a"}, "involvedObject": {"namespace": "b"}}, 422, "Invalid", {"kind": "Event"}),
    ("lease of no time", "POST", "leases", {"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": 0}}, 422, "Invalid", {"kind": "Lease"}),
    ("namespace with a dot", "POST", "/api/v1/namespaces", {"metadata": {"name": "a.b"}}, 422, "Invalid", {"kind": "Namespace"}),
    ("policy of nothing", "POST", "/apis/casemate.dev/v1alpha1/functionpolicies",
     {"apiVersion": "casemate.dev/v1alpha1", "kind": "FunctionPolicy", "metadata": {"name": "p"}, "spec": {}}, 422, "Invalid", {"kind": "FunctionPolicy"}),
    ("double slash", "GET", "//api/v1/namespaces/default", None, 404, "", {}),
    ("no such method", "OPTIONS", "configmaps", None, 405, "MethodNotAllowed", {}),
    ("status of a ConfigMap", "GET", "configmaps/taken/status", None, 404, "NotFound", {}),
]  # fmt: skip


@pytest.mark.parametrize("case", STATUSES, ids=[case[0] for case in STATUSES])
def test_what_is_wrong_is_said_as_a_status(api: Api, case: Any) -> None:
    _, method, path, body, code, reason, details = case
    api.post("configmaps", config_map("taken"))
    answer = api.request(method, path, body)
    assert answer.status == code, answer.body
    if reason:
        status = answer.tree
        assert (status["kind"], status["apiVersion"]) == ("Status", "v1")
        assert (status["status"], status["code"], status["reason"]) == ("Failure", code, reason)
        told = status.get("details") or {}
        assert {key: told.get(key) for key in details} == details, status


MESSAGES = [
    ("GET", "configmaps/none", None, 'configmaps "none" not found'),
    ("GET", "functions/none", None, 'functions.serverless.kyma-project.io "none" not found'),
    ("POST", "configmaps", config_map("taken"), 'configmaps "taken" already exists'),
    ("PUT", "configmaps/taken", config_map("taken", resourceVersion="1"),
     'Operation cannot be fulfilled on configmaps "taken": the object has been modified; please apply your changes to the latest version and try again'),
    ("POST", "configmaps", {"data": {}},
     'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'),
]  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES, ids=[str(i) for i in range(len(MESSAGES))])
def test_the_words_are_those_that_scripts_match(api: Api, case: Any) -> None:
    method, path, body, message = case
    api.post("configmaps", config_map("taken"))
    assert api.request(method, path, body).tree["message"] == message


# What the CRD's schema and its CEL rules say; a rule that only we have may add causes, not take any.
BROKEN: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("runtime unknown", {"runtime": "cobol74"}, {("spec.runtime", "FieldValueNotSupported")}),
    ("no source kind", {"source": {}}, {("spec.source", "FieldValueInvalid")}),
    ("replicas below zero", {"replicas": -1}, {("spec.replicas", "FieldValueInvalid")}),
    ("wrong type", {"replicas": "two"}, {("spec.replicas", "FieldValueTypeInvalid")}),
    ("empty source", {"source": {"inline": {"source": ""}}}, {("spec.source.inline.source", "FieldValueInvalid")}),
    ("reserved variable", {"env": [{"name": "FUNC_PORT", "value": "1"}]}, {("spec.env", "FieldValueInvalid")}),
    ("our variable", {"env": [{"name": "CASEMATE_X", "value": "1"}]}, {("spec.env", "FieldValueInvalid")}),
    ("source missing", {"source": None}, {("spec.source", "FieldValueRequired")}),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_broken_function_is_refused_with_a_cause_per_field(api: Api, case: Any) -> None:
    _, spec, causes = case
    answer = api.post("functions", function("f", spec))
    assert answer.status == 422, answer.body
    assert answer.tree["reason"] == "Invalid"
    details = answer.tree["details"]
    assert (details["kind"], details["group"], details["name"]) == (
        "Function", "serverless.kyma-project.io", "f"
    )  # fmt: skip
    assert causes <= answer.causes, answer.tree
    assert answer.tree["message"].startswith('Function.serverless.kyma-project.io "f" is invalid: ')


@pytest.mark.parametrize("validation", ["Ignore", "Warn", "Strict"])
def test_an_unknown_field_is_pruned_told_or_refused_as_asked(api: Api, validation: str) -> None:
    body = function("f", {"colour": "red"})
    answer = api.post("functions", body, fieldValidation=validation)
    if validation == "Strict":
        assert (answer.status, answer.tree["reason"]) == (400, "BadRequest")
        assert 'strict decoding error: unknown field "spec.colour"' in answer.tree["message"]
        return
    assert answer.status == 201, answer.body
    assert "colour" not in answer.tree["spec"]
    warned = answer.headers.get("warning") == r'299 - "unknown field \"spec.colour\""'
    assert warned is (validation == "Warn")


def test_a_replace_with_an_old_version_is_a_conflict_and_without_one_is_not(api: Api) -> None:
    first = api.post("configmaps", config_map("a")).tree
    second = api.put("configmaps/a", {**first, "data": {"a": "1"}})
    assert second.status == 200
    assert api.put("configmaps/a", {**first, "data": {"a": "2"}}).status == 409
    assert api.put("configmaps/a", config_map("a", {"a": "3"})).status == 200
    assert api.get("configmaps/a").tree["data"] == {"a": "3"}


def test_a_replace_of_a_function_needs_its_version(api: Api) -> None:
    api.post("functions", function("f"))
    answer = api.put("functions/f", function("f"))
    assert (answer.status, answer.tree["reason"]) == (422, "Invalid")
    assert ("metadata.resourceVersion", "FieldValueInvalid") in answer.causes


def test_a_dry_run_answers_as_if_and_keeps_nothing(api: Api) -> None:
    answer = api.post("configmaps", config_map("a"), dryRun="All")
    assert (answer.status, answer.tree["metadata"]["name"]) == (201, "a")
    assert api.get("configmaps/a").status == 404
    api.post("configmaps", config_map("a"))
    assert api.delete("configmaps/a", dryRun="All").status == 200
    changed = api.patch("configmaps/a", {"data": {"key": "new"}}, dryRun="All").tree
    assert changed["data"] == {"key": "new"}
    assert api.get("configmaps/a").tree["data"] == {"key": "value"}
    assert api.post("configmaps", config_map("b"), dryRun="Some").status == 422


def test_status_is_written_only_through_its_own_door(api: Api) -> None:
    ready = {"conditions": [_condition("Running", "True")]}
    made = api.post("functions", {**function("f"), "status": ready}).tree
    assert not made.get("status")
    both = {**made, "status": ready, "spec": {**made["spec"], "runtime": "python314"}}
    through = api.put("functions/f/status", both).tree
    assert through["status"]["conditions"][0]["type"] == "Running"
    assert through["spec"]["runtime"] == "python313"
    assert through["metadata"]["generation"] == 1
    whole = api.patch("functions/f", {"status": {"conditions": []}}).tree
    assert whole["status"]["conditions"][0]["type"] == "Running"


def test_scale_reads_and_writes_the_replicas(api: Api) -> None:
    api.post("functions", function("f", {"replicas": 1}))
    scale = api.get("functions/f/scale").tree
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 0}
    assert scale["metadata"]["name"] == "f"
    scale["spec"]["replicas"] = 3
    assert api.put("functions/f/scale", scale).tree["spec"] == {"replicas": 3}
    assert api.get("functions/f").tree["spec"]["replicas"] == 3
    patched = api.patch("functions/f/scale", {"spec": {"replicas": 2}})
    assert (patched.status, patched.tree["kind"]) == (200, "Scale")
    assert api.get("functions/f").tree["metadata"]["generation"] == 3
    assert api.patch("functions/f/scale", {"spec": {"replicas": -1}}).status == 422


def test_an_immutable_config_map_stays_as_it_is(api: Api) -> None:
    api.post("configmaps", {**config_map("a"), "immutable": True})
    answer = api.patch("configmaps/a", {"data": {"key": "new"}})
    assert (answer.status, answer.causes) == (422, {("data", "FieldValueForbidden")})


@pytest.mark.parametrize(
    ("body", "content", "code"),
    [
        (b"{", "application/json", 400),
        (
            b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: from-yaml}\n",
            "application/yaml",
            201,
        ),
        (b"{}", "text/plain", 415),
        (b"[]", "application/json", 400),
        (b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
    ],
    ids=["half a body", "yaml", "a media type nobody reads", "a list", "a deep list", "no text"],
)
def test_bodies_are_read_as_their_type_says(api: Api, body: bytes, content: str, code: int) -> None:
    assert api.request("POST", "configmaps", body, content=content).status == code


def _condition(name: str, status: str) -> dict[str, str]:
    return {
        "type": name, "status": status, "reason": "Test", "message": "said by a test",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
