"""Who may do what: RBAC, impersonation, reviews and the tokens of ServiceAccounts."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import FUNCTIONS, becomes, binding, config_map, function, role

if TYPE_CHECKING:
    from support.api_client import Answer, Api

Tree = dict[str, Any]
FUNCTION_GROUP = FUNCTIONS.partition("/")[0]


def as_user(
    api: Api, method: str, path: str, body: Tree | None = None, user: str = "ann"
) -> Answer:
    return api.request(method, path, body, headers={"Impersonate-User": user})


def allow(api: Api, *rules: tuple[str, str, str], names: tuple[str, ...] = ()) -> None:
    """Let ann do something here, and wait until it counts."""
    assert api.post("roles", role("r", *rules, names=names)).status == 201
    group, resources, verbs = rules[0]
    asked = {"verb": verbs.split(",")[0], "group": group, "name": names[0] if names else ""}
    plural, _, subresource = resources.split(",")[0].partition("/")
    _bind(api, "Role", "r", {**asked, "resource": plural, "subresource": subresource})


def _bind(api: Api, kind: str, of: str, asked: Tree) -> None:
    assert api.post("rolebindings", binding("b", kind, of, "ann")).status == 201
    # A real authorizer learns of a binding a moment later.
    assert becomes(lambda: may(api, "ann", asked))


def may(api: Api, user: str, asked: Tree) -> bool:
    """Ask the server itself."""
    spec = {"user": user, "resourceAttributes": {"namespace": api.namespace, **asked}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    assert answer.status == 201, answer.body
    return answer.tree["status"]["allowed"]


def test_who_is_bound_to_nothing_may_nothing_and_hears_it_in_words(api: Api) -> None:
    answer = as_user(api, "GET", "configmaps/a")
    assert (answer.status, answer.tree["reason"]) == (403, "Forbidden")
    assert answer.tree["message"] == (
        'configmaps "a" is forbidden: User "ann" cannot get resource "configmaps" in API group "" '
        f'in the namespace "{api.namespace}"'
    )
    assert answer.tree["details"] == {"name": "a", "kind": "configmaps"}
    functions = as_user(api, "POST", "functions", function("f")).tree
    assert functions["message"] == (
        'functions.serverless.kyma-project.io is forbidden: User "ann" cannot create resource '
        f'"functions" in API group "{FUNCTION_GROUP}" in the namespace "{api.namespace}"'
    )
    cluster = as_user(api, "GET", "/api/v1/namespaces").tree
    assert cluster["message"].endswith('"namespaces" in API group "" at the cluster scope')


def test_a_role_lets_do_what_it_says_and_no_more(api: Api) -> None:
    allow(api, ("", "configmaps", "get,create"))
    assert as_user(api, "POST", "configmaps", config_map("a")).status == 201
    assert as_user(api, "GET", "configmaps/a").status == 200
    for method, path in (
        ("DELETE", "configmaps/a"), ("GET", "configmaps"), ("GET", "secrets/a"),
        ("PATCH", "configmaps/a"), ("GET", "/api/v1/namespaces/default/configmaps/a"),
    ):  # fmt: skip
        assert as_user(api, method, path).status == 403, path
    assert as_user(api, "GET", "configmaps/a", user="bob").status == 403


def test_a_role_for_names_covers_only_those(api: Api) -> None:
    for name in ("a", "b"):
        api.post("configmaps", config_map(name))
    allow(api, ("", "configmaps", "get,list"), names=("a",))
    assert as_user(api, "GET", "configmaps/a").status == 200
    assert as_user(api, "GET", "configmaps/b").status == 403
    assert as_user(api, "GET", "configmaps").status == 403
    selected = "configmaps?fieldSelector=metadata.name%3Da"
    assert as_user(api, "GET", selected).status == 200


def test_a_subresource_is_a_permission_of_its_own(api: Api) -> None:
    api.post("functions", function("f", {"replicas": 1}))
    allow(api, (FUNCTION_GROUP, "functions/scale", "get,patch"))
    assert as_user(api, "GET", "functions/f/scale").status == 200
    assert as_user(api, "GET", "functions/f").status == 403
    assert as_user(api, "GET", "functions/f/status").status == 403


VERBS = ("get", "list", "create", "update", "patch", "delete", "deletecollection")
# What the default roles let a user do to ConfigMaps, Secrets and Roles.
DEFAULTS = [
    ("view", "configmaps", {"get", "list"}), ("view", "secrets", set()), ("view", "roles", set()),
    ("edit", "configmaps", set(VERBS)), ("edit", "secrets", set(VERBS)), ("edit", "roles", set()),
    ("admin", "configmaps", set(VERBS)), ("admin", "secrets", set(VERBS)), ("admin", "roles", set(VERBS)),
]  # fmt: skip


@pytest.mark.parametrize("case", DEFAULTS, ids=[f"{one[0]} {one[1]}" for one in DEFAULTS])
def test_the_default_roles_are_the_known_ones(api: Api, case: Any) -> None:
    of, resource, verbs = case
    _bind(api, "ClusterRole", of, {"resource": "configmaps", "verb": "get"})
    group = "rbac.authorization.k8s.io" if resource == "roles" else ""
    asked = {"group": group, "resource": resource}
    assert {verb for verb in VERBS if may(api, "ann", {**asked, "verb": verb})} == verbs


def test_nobody_gives_away_what_he_does_not_have(api: Api) -> None:
    asked = {"group": "rbac.authorization.k8s.io", "resource": "roles", "verb": "create"}
    _bind(api, "ClusterRole", "admin", asked)
    answer = as_user(api, "POST", "roles", role("more", ("", "nodes", "delete")))
    assert (answer.status, answer.tree["reason"]) == (403, "Forbidden")
    assert "is attempting to grant RBAC permissions not currently held" in answer.tree["message"]
    bound = as_user(
        api, "POST", "rolebindings", binding("up", "ClusterRole", "cluster-admin", "ann")
    )
    assert bound.status == 403
    assert as_user(api, "POST", "roles", role("same", ("", "secrets", "get"))).status == 201


def test_a_binding_keeps_its_role(api: Api) -> None:
    api.post("rolebindings", binding("b", "Role", "r", "ann"))
    answer = api.patch("rolebindings/b", {"roleRef": {"name": "other"}})
    assert (answer.status, answer.causes) == (422, {("roleRef", "FieldValueInvalid")})


def test_nobody_impersonates_without_being_let(api: Api) -> None:
    allow(api, ("", "configmaps", "get"))
    account(api, "robot")
    robot = token_of(api, "robot").tree["status"]["token"]
    headers = {"Authorization": f"Bearer {robot}", "Impersonate-User": "admin"}
    answer = request_as(api, headers, "configmaps")
    assert (answer.status, answer.tree["reason"]) == (403, "Forbidden")
    assert "cannot impersonate" in answer.tree["message"]


@pytest.mark.parametrize("shown", ["Bearer nonsense", "Bearer a.b.c"])
def test_who_shows_a_wrong_token_is_unauthorized(api: Api, shown: str) -> None:
    answer = request_as(api, {"Authorization": shown}, "configmaps")
    assert (answer.status, answer.tree["reason"]) == (401, "Unauthorized")
    assert answer.tree["message"] == "Unauthorized"


def test_who_shows_nothing_is_nobody_and_may_ask_for_health(api: Api) -> None:
    answer = request_as(api, {}, "configmaps")
    assert (answer.status, answer.tree["reason"]) == (403, "Forbidden")
    assert 'User "system:anonymous" cannot list resource' in answer.tree["message"]
    assert [request_as(api, {}, path).status for path in ("/healthz", "/version", "/apis")] == [
        200,
        200,
        403,
    ]


def test_a_review_names_the_caller(api: Api) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.request(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body,
        headers={"Impersonate-User": "ann", "Impersonate-Group": "staff"},
    )  # fmt: skip
    assert answer.status == 201, answer.body
    told = answer.tree["status"]["userInfo"]
    assert told["username"] == "ann"
    assert set(told["groups"]) == {"staff", "system:authenticated"}


def test_a_caller_may_ask_about_itself(api: Api) -> None:
    allow(api, ("", "configmaps", "get"))
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    for verb, allowed in (("get", True), ("delete", False)):
        wanted = {"namespace": api.namespace, "verb": verb, "resource": "configmaps"}
        body = {**kind, "spec": {"resourceAttributes": wanted}}
        answer = as_user(
            api, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body
        )
        assert (answer.status, answer.tree["status"]["allowed"]) == (201, allowed)


def test_the_rules_of_a_caller_are_listed(api: Api) -> None:
    allow(api, ("", "configmaps", "get"))
    body = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": api.namespace},
    }  # fmt: skip
    status = as_user(
        api, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body
    ).tree["status"]
    wanted = {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}
    assert wanted in status["resourceRules"]
    assert status["incomplete"] is False


def test_a_local_review_is_of_its_namespace(api: Api) -> None:
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview"}
    wanted = {"verb": "get", "resource": "configmaps"}
    elsewhere = {"user": "ann", "resourceAttributes": {**wanted, "namespace": "default"}}
    assert api.post("localsubjectaccessreviews", {**kind, "spec": elsewhere}).status in {400, 422}
    here = {"user": "ann", "resourceAttributes": {**wanted, "namespace": api.namespace}}
    answer = api.post(
        "localsubjectaccessreviews",
        {**kind, "metadata": {"namespace": api.namespace}, "spec": here},
    )
    assert (answer.status, answer.tree["status"]["allowed"]) == (201, False)


def test_a_token_of_a_service_account_is_the_account(api: Api) -> None:
    account(api, "robot")
    answer = token_of(api, "robot", expirationSeconds=600)
    assert answer.status == 201, answer.body
    status = answer.tree["status"]
    assert set(status) == {"token", "expirationTimestamp"}
    claims = json.loads(base64.urlsafe_b64decode(status["token"].split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{api.namespace}:robot"
    assert claims["exp"] - claims["iat"] == 600
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "robot"
    refused = request_as(api, {"Authorization": f"Bearer {status['token']}"}, "configmaps")
    assert (
        f'User "system:serviceaccount:{api.namespace}:robot" cannot list' in refused.tree["message"]
    )


def test_a_token_review_tells_whose_token_it_is(api: Api) -> None:
    account(api, "robot")
    status = review(api, token_of(api, "robot").tree["status"]["token"])
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{api.namespace}:robot"
    assert set(status["user"]["groups"]) == {
        "system:serviceaccounts", f"system:serviceaccounts:{api.namespace}", "system:authenticated"
    }  # fmt: skip
    assert not review(api, "nonsense").get("authenticated")


def test_a_token_for_another_audience_opens_nothing_here(api: Api) -> None:
    account(api, "robot")
    token = token_of(api, "robot", audiences=["elsewhere"]).tree["status"]["token"]
    assert request_as(api, {"Authorization": f"Bearer {token}"}, "configmaps").status == 401
    assert review(api, token, audiences=["elsewhere"])["audiences"] == ["elsewhere"]
    assert not review(api, token).get("authenticated")


def test_a_token_dies_with_its_account(api: Api) -> None:
    account(api, "robot")
    token = token_of(api, "robot").tree["status"]["token"]
    api.delete("serviceaccounts/robot")
    headers = {"Authorization": f"Bearer {token}"}
    assert becomes(lambda: request_as(api, headers, "configmaps").status == 401)


def test_no_token_lives_for_less_than_ten_minutes(api: Api) -> None:
    account(api, "robot")
    answer = token_of(api, "robot", expirationSeconds=10)
    assert (answer.status, answer.causes) == (
        422,
        {("spec.expirationSeconds", "FieldValueInvalid")},
    )
    assert token_of(api, "nobody").status == 404


def account(api: Api, name: str) -> None:
    assert api.post("serviceaccounts", {"metadata": {"name": name}}).status == 201


def token_of(api: Api, name: str, **spec: Any) -> Answer:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [], **spec},
    }
    return api.post(f"serviceaccounts/{name}/token", body)


def review(api: Api, token: str, **spec: Any) -> Tree:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, **spec},
    }
    answer = api.post("/apis/authentication.k8s.io/v1/tokenreviews", body)
    assert answer.status == 201, answer.body
    return answer.tree["status"]


def request_as(api: Api, headers: dict[str, str], path: str) -> Answer:
    """Ask with these headers alone: no token and no certificate of the administrator."""
    return replace(api, anonymous=True).request("GET", path, headers=headers)
