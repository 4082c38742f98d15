"""What the server says about itself: discovery in both shapes, OpenAPI in both versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.api_client import Api

Tree = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# Ours and the part of Kubernetes that we serve too: (group/version, plural) -> what is said of it.
# The real server has more groups; what both have must be equal.
SERVED: list[tuple[str, str]] = [
    ("v1", "namespaces"), ("v1", "secrets"), ("v1", "configmaps"), ("v1", "serviceaccounts"),
    ("v1", "events"), ("v1", "serviceaccounts/token"),
    ("rbac.authorization.k8s.io/v1", "roles"), ("rbac.authorization.k8s.io/v1", "rolebindings"),
    ("rbac.authorization.k8s.io/v1", "clusterroles"),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    ("coordination.k8s.io/v1", "leases"), ("apps/v1", "controllerrevisions"),
    ("authentication.k8s.io/v1", "tokenreviews"), ("authentication.k8s.io/v1", "selfsubjectreviews"),
    ("authorization.k8s.io/v1", "subjectaccessreviews"),
    ("authorization.k8s.io/v1", "selfsubjectaccessreviews"),
    ("authorization.k8s.io/v1", "selfsubjectrulesreviews"),
    ("authorization.k8s.io/v1", "localsubjectaccessreviews"),
    ("serverless.kyma-project.io/v1alpha2", "functions"),
    ("serverless.kyma-project.io/v1alpha2", "functions/status"),
    ("serverless.kyma-project.io/v1alpha2", "functions/scale"),
    ("casemate.dev/v1alpha1", "functionpolicies"), ("casemate.dev/v1alpha1", "functionsources"),
    ("operator.kyma-project.io/v1alpha1", "serverlesses"),
]  # fmt: skip
IDS = [f"{version} {plural}" for version, plural in SERVED]
_WORDS = (
    "kind", "namespaced", "singularName", "shortNames", "categories", "group", "version"
)  # fmt: skip


def root_of(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


@pytest.fixture(scope="session")
def expected(kubernetes: Api) -> dict[tuple[str, str], Tree]:
    """What the real server says of each: the measure for both."""
    return {(version, plural): said(kubernetes, version, plural) for version, plural in SERVED}


def said(server: Api, version: str, plural: str) -> Tree:
    document = server.get(root_of(version)).tree
    assert (document["kind"], document["groupVersion"]) == ("APIResourceList", version)
    (found,) = [one for one in document["resources"] if one["name"] == plural]
    words = {word: found[word] for word in _WORDS if word in found}
    return words | {"verbs": set(found["verbs"])}


@pytest.mark.parametrize(("version", "plural"), SERVED, ids=IDS)
def test_each_resource_is_described_as_kubernetes_does(
    server: Api, expected: dict[tuple[str, str], Tree], version: str, plural: str
) -> None:
    assert said(server, version, plural) == expected[version, plural]


@pytest.mark.parametrize(("version", "plural"), SERVED, ids=IDS)
def test_aggregated_discovery_says_the_same(
    server: Api, kubernetes: Api, version: str, plural: str
) -> None:
    assert _aggregated(server, version, plural) == _aggregated(kubernetes, version, plural)


def _aggregated(server: Api, version: str, plural: str) -> Tree:
    path = "/apis" if "/" in version else "/api"
    answer = server.request("GET", path, headers={"Accept": AGGREGATED})
    assert answer.headers["content-type"] == AGGREGATED
    group, _, short = version.rpartition("/")
    name, _, subresource = plural.partition("/")
    for item in answer.tree["items"]:
        if item["metadata"].get("name", "") == group:
            (found,) = [one for one in item["versions"] if one["version"] == short]
            (resource,) = [one for one in found["resources"] if one["resource"] == name]
            subs = resource.pop("subresources", [])
            if subresource:
                (resource,) = [one for one in subs if one["subresource"] == subresource]
            return resource | {"verbs": set(resource["verbs"])}
    raise AssertionError(f"{server.name} has no {version}")


def test_groups_are_listed_with_their_versions(server: Api) -> None:
    groups = {one["name"]: one for one in server.get("/apis").tree["groups"]}
    for version in {one[0] for one in SERVED if "/" in one[0]}:
        group = version.partition("/")[0]
        short = version.partition("/")[2]
        assert {"groupVersion": version, "version": short} in groups[group]["versions"]
        one = server.get(f"/apis/{group}").tree
        assert (one["kind"], one["name"]) == ("APIGroup", group)


def test_the_core_group_has_one_version(server: Api) -> None:
    answer = server.get("/api").tree
    assert (answer["kind"], answer["versions"]) == ("APIVersions", ["v1"])


def test_the_version_is_one_that_kubectl_understands(server: Api) -> None:
    version = server.get("/version").tree
    assert {"major", "minor", "gitVersion", "platform"} <= set(version)
    assert version["gitVersion"].startswith("v1.")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_one_word(server: Api, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize("version", sorted({one[0] for one in SERVED}), ids=str)
def test_open_api_3_has_a_document_per_group(server: Api, version: str) -> None:
    paths = server.get("/openapi/v3").tree["paths"]
    name = root_of(version).removeprefix("/")
    answer = server.get(paths[name]["serverRelativeURL"])
    assert answer.status == 200
    document = answer.tree
    assert document["openapi"].startswith("3.")
    assert any(path.startswith(root_of(version)) for path in document["paths"])


def test_open_api_3_knows_the_fields_of_a_function(server: Api) -> None:
    schema = _schema(server, "serverless.kyma-project.io/v1alpha2", "Function")
    spec = schema["properties"]["spec"]
    assert spec["properties"]["runtime"]["type"] == "string"
    assert "python313" in spec["properties"]["runtime"]["enum"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "serverless.kyma-project.io", "kind": "Function", "version": "v1alpha2"}
    ]


def _schema(server: Api, version: str, kind: str) -> Tree:
    url = server.get("/openapi/v3").tree["paths"][f"apis/{version}"]["serverRelativeURL"]
    schemas = server.get(url).tree["components"]["schemas"]
    (found,) = [
        one
        for one in schemas.values()
        if [gvk["kind"] for gvk in one.get("x-kubernetes-group-version-kind", [])] == [kind]
    ]
    return found


def test_open_api_2_lists_the_functions(server: Api) -> None:
    answer = server.get("/openapi/v2")
    assert answer.status == 200
    assert answer.tree["swagger"] == "2.0"
    path = "/apis/serverless.kyma-project.io/v1alpha2/namespaces/{namespace}/functions"
    assert path in answer.tree["paths"]


def test_discovery_is_for_everybody_who_is_somebody(server: Api) -> None:
    asked = server.request("GET", "/apis", headers={"Impersonate-User": "ann"})
    assert asked.status == 200
