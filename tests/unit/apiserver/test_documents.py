"""What kubectl asks before it does anything. Shapes are compared with Kubernetes' own documents."""

import asyncio
import json

import pytest

from casemate.apiserver.access.attributes import User
from casemate.apiserver.call import Call
from casemate.apiserver.discovery import AGGREGATED_TYPE
from casemate.apiserver.documents import Documents
from casemate.apiserver.kinds import served_resources
from casemate.apiserver.openapi_protobuf import PROTOBUF_V2
from casemate.apiserver.request_path import parse_request_path
from casemate.apiserver.status_error import ApiError

# As kubectl 1.36 sends it.
KUBECTL = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;"
    "g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
DOCUMENTS = Documents(served_resources())


def ask(path, *, documents=DOCUMENTS, method="GET", query=None, **headers):
    call = Call(
        parse_request_path(method, path, query or {}),
        query or {},
        {name.replace("_", "-"): value for name, value in headers.items()},
        User("someone"),
    )
    return asyncio.run(documents(call))


def read(path, **options):
    return json.loads(ask(path, **options).body)


def test_a_client_of_today_learns_all_groups_and_resources_in_two_requests():
    core, named = ask("/api", accept=KUBECTL), ask("/apis", accept=KUBECTL)

    assert core.content_type == named.content_type == AGGREGATED_TYPE
    items = json.loads(core.body)["items"] + json.loads(named.body)["items"]
    found = {
        (group["metadata"]["name"], version["version"], one["resource"])
        for group in items
        for version in group["versions"]
        for one in version["resources"]
    }
    assert found == {(one.group, one.version, one.plural) for one in served_resources()}
    functions = next(
        one for one in items if one["metadata"]["name"] == "serverless.kyma-project.io"
    )
    resource = functions["versions"][0]["resources"][0]
    assert resource["shortNames"] == ["fn", "fns"]
    assert {"group": "autoscaling", "version": "v1", "kind": "Scale"} in [
        one["responseKind"] for one in resource["subresources"]
    ]


def test_a_client_that_does_not_ask_for_it_gets_the_legacy_form():
    assert read("/api", host="127.0.0.1:1")["versions"] == ["v1"]
    groups = read("/apis")["groups"]
    assert "casemate.dev" in [one["name"] for one in groups]
    assert "" not in [one["name"] for one in groups]
    assert read("/apis/apps") == {"kind": "APIGroup", "apiVersion": "v1"} | next(
        one for one in groups if one["name"] == "apps"
    )
    resources = {one["name"]: one for one in read("/api/v1")["resources"]}
    assert resources["serviceaccounts/token"] == {
        "name": "serviceaccounts/token", "singularName": "", "namespaced": True,
        "group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest",
        "verbs": ["create"],
    }  # fmt: skip
    assert resources["namespaces"]["verbs"] == [
        "create", "delete", "get", "list", "patch", "update", "watch",
    ]  # fmt: skip
    assert read("/apis/serverless.kyma-project.io/v1alpha2/")["groupVersion"] == (
        "serverless.kyma-project.io/v1alpha2"
    )


def test_a_document_that_the_client_has_is_not_sent_again():
    first = ask("/apis", accept=KUBECTL)
    tag = dict(first.headers)["etag"]

    again = ask("/apis", accept=KUBECTL, if_none_match=tag)

    assert (again.status, again.body) == (304, b"")
    assert ask("/apis", accept=KUBECTL, if_none_match='"other"').status == 200


def test_every_group_and_version_has_an_openapi_document_under_its_hash():
    index = read("/openapi/v3")["paths"]

    assert set(index) == {
        f"apis/{one.group}/{one.version}" if one.group else "api/v1" for one in served_resources()
    }
    for name, entry in index.items():
        path, _, digest = entry["serverRelativeURL"].partition("?hash=")
        assert path == f"/openapi/v3/{name}"
        assert dict(ask(path).headers)["etag"] == f'"{digest}"'


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _documents():
    for name in read("/openapi/v3")["paths"]:
        yield read(f"/openapi/v3/{name}")


def test_no_reference_of_a_document_leads_nowhere():
    for document in _documents():
        for reference in _references(document):
            assert (
                reference.removeprefix("#/components/schemas/")
                in (document["components"]["schemas"])
            )
    v2 = read("/openapi/v2")
    for reference in _references(v2):
        assert reference.removeprefix("#/definitions/") in v2["definitions"]


def test_every_operation_has_a_name_of_its_own():
    names = [
        operation["operationId"]
        for document in _documents()
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("resource", served_resources(), ids=lambda one: one.kind)
def test_kubectl_finds_the_kind_its_schema_and_server_side_validation(resource):
    name = f"apis/{resource.group}/{resource.version}" if resource.group else "api/v1"
    document = read(f"/openapi/v3/{name}")
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}

    marked = [
        schema
        for schema in document["components"]["schemas"].values()
        if gvk in schema.get("x-kubernetes-group-version-kind", ())
    ]
    operations = [
        item["patch"]
        for item in document["paths"].values()
        if item.get("patch", {}).get("x-kubernetes-group-version-kind") == gvk
    ]

    assert len(marked) == 1
    assert bool(operations) is ("patch" in resource.verbs)
    for operation in operations:
        assert "fieldValidation" in [one["name"] for one in operation["parameters"]]
        strategic = "application/strategic-merge-patch+json" in operation["requestBody"]["content"]
        assert strategic is (resource.model is None)


def test_the_older_openapi_is_json_and_for_kubectl_protobuf():
    assert read("/openapi/v2", accept="application/json")["swagger"] == "2.0"

    reply = ask("/openapi/v2", accept=PROTOBUF_V2.replace("v2.v1", "v2@v1"))

    assert reply.content_type == PROTOBUF_V2
    assert reply.body.startswith(b"\x0a\x032.0")


def test_the_version_is_that_of_a_kubernetes_that_clients_know():
    version = read("/version")

    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"].startswith("v1.36.")


def test_the_root_lists_where_one_may_begin():
    paths = read("/")["paths"]

    assert {"/api/v1", "/apis/apps", "/apis/apps/v1", "/readyz", "/openapi/v3"} <= set(paths)


def test_health_is_a_word_or_every_check():
    assert ask("/healthz").body == b"ok"
    assert ask("/livez", query={"verbose": ""}).body == b"[+]ping ok\nlivez check passed\n"
    assert ask("/readyz/ping").body == b"ok"


def test_a_failed_check_makes_the_server_not_ready_and_withholds_why():
    broken = Documents(served_resources(), {"store": lambda: False})

    reply = ask("/readyz", documents=broken)
    excluded = ask("/readyz", documents=broken, query={"verbose": "", "exclude": "store"})
    mistaken = ask("/livez", documents=broken, query={"exclude": "other"})

    assert reply.status == 500
    assert reply.body == (b"[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n")
    assert excluded.body == b"[+]ping ok\n[+]store excluded: ok\nreadyz check passed\n"
    assert b'no matches for "other"' in mistaken.body


@pytest.mark.parametrize(
    "path",
    ["/foo", "/api/v2", "/apis/none", "/apis/apps/v2", "/openapi", "/openapi/v3/apis/none/v1",
     "/openapi/v3/none", "/healthz/none", "/healthz/ping/more", "/version/more"],
)  # fmt: skip
def test_what_does_not_exist_is_404(path):
    with pytest.raises(ApiError) as refused:
        ask(path)

    assert refused.value.status == 404


def test_a_document_cannot_be_written():
    with pytest.raises(ApiError) as refused:
        ask("/version", method="POST")

    assert refused.value.status == 405
