"""What a request line is taken to mean."""

from __future__ import annotations

import pytest

from casemate.apiserver.request_path import RequestPath, parse_request_path
from casemate.apiserver.status_error import ApiError

GROUP = "/apis/serverless.kyma-project.io/v1alpha2"


def _parse(method: str, path: str, **query: str) -> tuple[str, ...]:
    found = parse_request_path(method, path, query)
    return (found.verb, found.group, found.namespace, found.plural, found.name, found.subresource)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/namespaces", ("list", "", "", "namespaces", "", "")),
        ("POST", "/api/v1/namespaces", ("create", "", "", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/shop", ("get", "", "shop", "namespaces", "shop", "")),
        (
            "PUT",
            "/api/v1/namespaces/shop/finalize",
            ("update", "", "shop", "namespaces", "shop", "finalize"),
        ),
        ("GET", "/api/v1/namespaces/shop/secrets", ("list", "", "shop", "secrets", "", "")),
        (
            "DELETE",
            "/api/v1/namespaces/shop/pods",
            ("deletecollection", "", "shop", "pods", "", ""),
        ),
        ("GET", "/api/v1/namespaces/shop/pods/a/log", ("get", "", "shop", "pods", "a", "log")),
        (
            "PATCH",
            f"{GROUP}/namespaces/shop/functions/hello/scale",
            ("patch", "serverless.kyma-project.io", "shop", "functions", "hello", "scale"),
        ),
        (
            "GET",
            f"{GROUP}/functions",
            ("list", "serverless.kyma-project.io", "", "functions", "", ""),
        ),
        ("HEAD", "/api/v1/secrets", ("list", "", "", "secrets", "", "")),
    ],
)
def test_a_path_names_verb_and_resource(method, path, expected) -> None:
    assert _parse(method, path) == expected


@pytest.mark.parametrize("flag", ["1", "true"])
def test_a_list_with_watch_is_a_watch(flag) -> None:
    assert _parse("GET", "/api/v1/secrets", watch=flag)[0] == "watch"


def test_a_watch_that_is_off_is_a_list() -> None:
    assert _parse("GET", "/api/v1/secrets", watch="0")[0] == "list"


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis", "/apis/rbac.authorization.k8s.io", "/version"]
)
def test_a_path_without_a_resource_is_authorized_as_a_path(path) -> None:
    assert parse_request_path("GET", path, {}) == RequestPath("get", path)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/shop/../secrets",
        "/api/v1/namespaces/shop%2Fsecrets",
        "/api/v1/namespaces/%2e%2e/secrets",
        "/api/v1//secrets",
        "/api/v1/namespaces/shop/secrets/a%00b",
        "/api/v1/namespaces/shop/pods/a/log/more/levels",
        "/" + "a/" * 20,
    ],
)
def test_a_path_that_two_readers_may_understand_differently_is_refused(path) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request_path("GET", path, {})

    assert caught.value.status == 404
