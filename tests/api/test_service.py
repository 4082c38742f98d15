"""The whole API over real HTTPS: who gets in, what he may, what is seen, and what is written down."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import ssl
import threading
from urllib.parse import urlsplit

import pytest
import yaml

from casemate.apiserver.kinds import served_resources
from casemate.apiserver.status_error import ApiError
from casemate.engine.api_client import kinds_of
from casemate.engine.api_service import (
    ApiOptions,
    ApiService,
    ApiStateUnusable,
    InvalidListenAddress,
)
from casemate.kube.client import Happened, KindRef, ObjectRef
from casemate.kube.errors import Conflict, Exists, Missing, Refused, Unreachable

FUNCTIONS = "/apis/serverless.kyma-project.io/v1alpha2/namespaces/shop/functions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
CODE = "def main(event, context): return 'the-code'"


class Api:
    """A service in a thread of its own, and what its administrator has."""

    def __init__(self, folder, **options):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.service = self.call(self._start(folder, options))
        config = yaml.safe_load(self.service.kubeconfig())
        self.cluster, self.user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.folder = folder
        (folder / "admin.pem").write_bytes(
            base64.b64decode(self.user["client-certificate-data"])
            + base64.b64decode(self.user["client-key-data"])
        )

    async def _start(self, folder, options):
        chosen = ApiOptions(**{"data_dir": folder / "data", "keys_dir": folder / "keys"} | options)
        service = await ApiService(chosen).__aenter__()
        await service.serve({})
        return service

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    def close(self):
        self.call(self.service.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def connect(self, *, admin=True):
        ca = base64.b64decode(self.cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=ca)
        if admin:
            context.load_cert_chain(self.folder / "admin.pem")
        host = urlsplit(self.service.url)
        return http.client.HTTPSConnection(host.hostname, host.port, context=context, timeout=10)

    def send(self, method, path, body=None, *, admin=True, content="application/json", **headers):
        """Send one request; returns status and tree (or text)."""
        connection = self.connect(admin=admin)
        sent = {"Content-Type": content} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        raw = json.dumps(body).encode() if body is not None else None
        connection.request(method, path, raw, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text

    def made(self, path, kind, version="v1", name="", **fields):
        """Create an object; returns it."""
        tree = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
        status, answer = self.send("POST", path, tree)
        assert status == 201, answer
        return answer

    def token(self, account="ci", namespace="shop"):
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        status, answer = self.send("POST", path, {"spec": {}})
        assert status == 201, answer
        return answer["status"]["token"]

    def as_user(self, method, path, body=None, user="ann", **more):
        return self.send(method, path, body, Impersonate_User=user, **more)

    def bind(self, role, user="ann", namespace="shop"):
        name = f"{role}-{user}".replace(":", "-")
        self.made(
            f"{RBAC}/namespaces/{namespace}/rolebindings", "RoleBinding",
            "rbac.authorization.k8s.io/v1", name,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        )  # fmt: skip


def a_function(name="hello", **spec):
    return {
        "apiVersion": "serverless.kyma-project.io/v1alpha2", "kind": "Function",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"runtime": "python312", "source": {"inline": {"source": CODE}}} | spec,
    }  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    found = Api(tmp_path_factory.mktemp("api"))
    found.made("/api/v1/namespaces", "Namespace", name="shop")
    found.made("/api/v1/namespaces/shop/serviceaccounts", "ServiceAccount", name="ci")
    yield found
    found.close()


@pytest.fixture
def fresh(tmp_path):
    """A service of this test alone."""
    started = []

    def start(**options):
        started.append(Api(tmp_path, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_the_owner_is_let_in_by_the_certificate_of_his_kubeconfig(api):
    status, answer = api.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})

    assert status == 201
    assert answer["status"]["userInfo"] == {
        "username": "casemate-admin", "groups": ["system:masters", "system:authenticated"],
    }  # fmt: skip


def test_a_service_account_is_let_in_by_its_token(api):
    status, answer = api.send(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, admin=False,
        Authorization=f"Bearer {api.token()}",
    )  # fmt: skip

    assert status == 201
    assert answer["status"]["userInfo"]["username"] == "system:serviceaccount:shop:ci"


def test_a_wrong_token_is_401_and_does_not_become_anonymous(api):
    status, answer = api.send("GET", "/version", admin=False, Authorization="Bearer wrong")

    assert (status, answer["message"]) == (401, "Unauthorized")


def test_a_token_of_a_deleted_account_is_401(api):
    api.made("/api/v1/namespaces/shop/serviceaccounts", "ServiceAccount", name="gone")
    token = api.token("gone")
    api.send("DELETE", "/api/v1/namespaces/shop/serviceaccounts/gone")

    status, _ = api.send("GET", "/version", admin=False, Authorization=f"Bearer {token}")

    assert status == 401


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
def test_anonymous_callers_see_that_the_server_lives(api, path):
    assert api.send("GET", path, admin=False)[0] == 200


@pytest.mark.parametrize(
    "path", ["/api", "/apis", "/openapi/v3", "/api/v1/namespaces", FUNCTIONS, "/metrics", "/"]
)
def test_anonymous_callers_see_nothing_else(api, path):
    status, answer = api.send("GET", path, admin=False)

    assert status == 403
    assert 'User "system:anonymous" cannot' in answer["message"]


@pytest.mark.parametrize("others", [["view", "system:admin"], ["system:admin", "view"]])
def test_two_users_to_act_for_are_none(api, others):
    # ATTACK: of two headers a proxy may check the first, and a server take the last.
    connection = api.connect()
    connection.putrequest("GET", "/version")
    for one in others:
        connection.putheader("Impersonate-User", one)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()

    assert answer.status == 400


def test_everybody_who_is_known_may_discover(api):
    assert api.as_user("GET", "/apis")[0] == 200
    assert api.as_user("GET", "/openapi/v3")[0] == 200


def test_who_is_bound_to_nothing_may_nothing(api):
    assert api.as_user("GET", "/api/v1/namespaces/shop/configmaps", user="nobody")[0] == 403


def test_a_binding_counts_at_once_and_so_does_its_end(api):
    path = "/api/v1/namespaces/shop/configmaps"
    api.bind("view", "eve")
    before = api.as_user("GET", path, user="eve")[0]
    api.send("DELETE", f"{RBAC}/namespaces/shop/rolebindings/view-eve")

    assert (before, api.as_user("GET", path, user="eve")[0]) == (200, 403)


@pytest.fixture(scope="module")
def roles(api):
    for role in ("view", "edit", "admin"):
        api.bind(role, role)
    api.bind("casemate:invoker", "invoker")
    api.bind("casemate:source-reader", "reader")
    assert api.send("POST", FUNCTIONS, a_function("seen"))[0] == 201
    return api


TABLE = {
    # (group/resource, verb): who of view, edit and admin may
    ("serverless.kyma-project.io/functions", "get"): "yyy",
    ("serverless.kyma-project.io/functions", "update"): "nyy",
    ("serverless.kyma-project.io/functions/invoke", "create"): "nyy",
    ("serverless.kyma-project.io/functions/status", "update"): "nnn",
    ("serverless.kyma-project.io/functions/posture", "get"): "yyy",
    ("casemate.dev/functionsources", "get"): "nyy",
    ("casemate.dev/functionpolicies", "get"): "yyy",
    ("casemate.dev/functionpolicies", "update"): "nnn",
    ("apps/controllerrevisions", "get"): "nyy",
    ("/secrets", "get"): "nyy",
    ("/configmaps", "get"): "yyy",
    ("/pods/log", "get"): "yyy",
    ("/serviceaccounts/token", "create"): "nny",
    ("rbac.authorization.k8s.io/rolebindings", "create"): "nny",
    ("rbac.authorization.k8s.io/clusterroles", "create"): "nnn",
    ("/namespaces", "delete"): "nnn",
}


@pytest.mark.parametrize(("what", "verb"), TABLE, ids=[f"{verb} {what}" for what, verb in TABLE])
def test_the_default_roles_allow_what_they_promise(roles, what, verb):
    group, _, resource = what.partition("/")
    resource, _, subresource = resource.partition("/")
    answers = ""
    for user in ("view", "edit", "admin"):
        spec = {
            "user": user,
            "resourceAttributes": {
                "namespace": "shop", "group": group, "resource": resource,
                "subresource": subresource, "verb": verb,
            },
        }  # fmt: skip
        _, answer = roles.send("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": spec})
        answers += "y" if answer["status"]["allowed"] else "n"

    assert answers == TABLE[what, verb]


@pytest.mark.parametrize(("user", "sees"), [("view", False), ("edit", True), ("admin", True)])
@pytest.mark.parametrize("path", [f"{FUNCTIONS}/seen", FUNCTIONS])
@pytest.mark.parametrize("accept", ["application/json", "application/yaml"])
def test_only_who_may_read_sources_sees_the_code(roles, user, sees, path, accept):
    status, answer = roles.as_user("GET", path, user=user, Accept=accept)

    text = answer.decode() if isinstance(answer, bytes) else json.dumps(answer)
    assert status == 200
    assert ("the-code" in text) is sees
    assert "python312" in text


def test_a_watch_shows_no_code_either(roles):
    connection = roles.connect()
    connection.request("GET", f"{FUNCTIONS}?watch=true", headers={"Impersonate-User": "view"})
    answer = connection.getresponse()
    event = json.loads(answer.readline())
    connection.close()

    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "seen")
    assert event["object"]["spec"]["source"] == {}


def test_who_may_update_but_not_read_the_source_can_neither_change_nor_copy_it(roles):
    rule = {"apiGroups": ["serverless.kyma-project.io"], "resources": ["functions"],
            "verbs": ["get", "patch", "update"]}  # fmt: skip
    roles.made(f"{RBAC}/clusterroles", "ClusterRole", "rbac.authorization.k8s.io/v1", "scaler",
               rules=[rule])  # fmt: skip
    roles.bind("scaler", "scaler")
    copying = [{"op": "copy", "from": "/spec/source", "path": "/metadata/annotations"}]

    def patch(body, content="application/merge-patch+json"):
        return roles.as_user("PATCH", f"{FUNCTIONS}/seen", body, user="scaler", content=content)

    assert patch({"spec": {"source": {"inline": {"source": "x"}}}})[0] == 403
    assert patch(copying, "application/json-patch+json")[0] == 403
    status, answer = patch({"metadata": {"labels": {"team": "blue"}}})
    assert (status, answer["spec"]["source"]) == (200, {})


def test_reviews_of_oneself_and_of_a_namespace(roles):
    asked = {"resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "secrets"}}

    own = roles.as_user("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": asked}, user="view")
    local = roles.as_user(
        "POST", f"{REVIEWS}/namespaces/shop/localsubjectaccessreviews",
        {"spec": asked | {"user": "edit"}}, user="admin",
    )  # fmt: skip
    rules = roles.as_user(
        "POST",
        f"{REVIEWS}/selfsubjectrulesreviews",
        {"spec": {"namespace": "shop"}},
        user="invoker",
    )

    assert (own[0], own[1]["status"]) == (201, {"allowed": False})
    assert local[1]["status"]["allowed"] is True
    assert "RoleBinding" in local[1]["status"]["reason"]
    assert {"verbs": ["create"], "apiGroups": ["serverless.kyma-project.io"],
            "resources": ["functions/invoke"]} in rules[1]["status"]["resourceRules"]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "namespace", "spec", "field"),
    [
        ("selfsubjectaccessreviews", "", {}, "spec.resourceAttributes"),
        ("subjectaccessreviews", "", {"nonResourceAttributes": {"path": "/"}}, "spec.user"),
        ("subjectaccessreviews", "",
         {"user": "a", "nonResourceAttributes": {}, "resourceAttributes": {}},
         "spec.nonResourceAttributes"),
        ("localsubjectaccessreviews", "/namespaces/shop",
         {"user": "a", "resourceAttributes": {"namespace": "bank"}},
         "spec.resourceAttributes.namespace"),
        ("localsubjectaccessreviews", "/namespaces/shop",
         {"user": "a", "nonResourceAttributes": {"path": "/"}}, "spec.nonResourceAttributes"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_understood_is_refused_by_field(
    api, kind, namespace, spec, field
):
    status, answer = api.send("POST", f"{REVIEWS}{namespace}/{kind}", {"spec": spec})

    assert status == 422
    assert answer["details"]["causes"][0]["field"] == field


def test_a_token_review_tells_whose_token_it_is_and_never_gives_it_back(api):
    path, token = "/apis/authentication.k8s.io/v1/tokenreviews", api.token()

    _, good = api.send("POST", path, {"spec": {"token": token}})
    _, elsewhere = api.send("POST", path, {"spec": {"token": token, "audiences": ["vault"]}})
    _, bad = api.send("POST", path, {"spec": {"token": "wrong"}})

    assert good["status"]["user"]["username"] == "system:serviceaccount:shop:ci"
    assert good["status"]["audiences"] == ["https://api.casemate.local"]
    assert [one["status"]["authenticated"] for one in (elsewhere, bad)] == [False, False]
    assert token not in json.dumps([good, elsewhere])


@pytest.mark.parametrize(
    ("spec", "status", "message"),
    [
        ({"expirationSeconds": 60}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 2**33}, 422, "larger than 2^32 seconds"),
        ({"expirationSeconds": "600"}, 422, "must be a whole number"),
        ({"audiences": "vault"}, 422, "must be a list"),
        ({"audiences": ["a"] * 17}, 422, "Too many"),
        ({"boundObjectRef": {"kind": "Pod", "name": "x"}}, 400, "cannot bind token"),
    ],
)
def test_a_token_request_out_of_bounds_is_refused(api, spec, status, message):
    path = "/api/v1/namespaces/shop/serviceaccounts/ci/token"

    answer = api.send("POST", path, {"spec": spec})

    assert answer[0] == status
    assert message in answer[1]["message"]


def test_a_token_that_is_asked_for_too_long_is_shortened_and_says_so(api):
    path = "/api/v1/namespaces/shop/serviceaccounts/ci/token"

    _, answer = api.send("POST", path, {"spec": {"expirationSeconds": 10**6, "audiences": ["v"]}})

    assert answer["spec"] == {
        "audiences": ["v"], "expirationSeconds": 48 * 3600, "boundObjectRef": None,
    }  # fmt: skip


def test_a_token_of_nobody_is_not_found(api):
    assert api.send("POST", "/api/v1/namespaces/shop/serviceaccounts/x/token", {})[0] == 404


def test_nobody_hands_out_what_he_does_not_hold(roles):
    binding = {
        "metadata": {"name": "grab"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "admin"}],
    }  # fmt: skip

    status, answer = roles.as_user(
        "POST", f"{RBAC}/namespaces/shop/rolebindings", binding, user="admin"
    )

    assert status == 403
    assert "attempting to grant RBAC permissions not currently held" in answer["message"]


def test_a_role_that_is_labelled_for_it_is_collected(api):
    rule = {"apiGroups": ["example.org"], "resources": ["things"], "verbs": ["get"]}
    tree = {
        "metadata": {"name": "things", "labels": {
            "rbac.authorization.k8s.io/aggregate-to-view": "true",
        }},
        "rules": [rule],
    }  # fmt: skip
    assert api.send("POST", f"{RBAC}/clusterroles", tree)[0] == 201

    async def collected():
        for _ in range(100):
            if rule in (api.service.get("ClusterRole", "", "view") or {})["rules"]:
                return True
            await asyncio.sleep(0.05)
        return False

    assert api.call(collected())


LOOSE = {
    "containerSecurityContext": {"privileged": True, "readOnlyRootFilesystem": False},
    "podSecurityContext": {"runAsNonRoot": False},
}


def test_a_manifest_that_loosens_is_refused_with_every_field(api):
    status, answer = api.send("POST", FUNCTIONS, a_function("loose", **LOOSE))

    assert status == 422
    assert {cause["field"] for cause in answer["details"]["causes"]} == {
        "spec.containerSecurityContext.privileged",
        "spec.containerSecurityContext.readOnlyRootFilesystem",
        "spec.podSecurityContext.runAsNonRoot",
    }


def test_a_policy_lets_named_fields_through_in_named_namespaces(fresh):
    api = fresh(data_dir=None)
    for namespace in ("shop", "bank"):
        api.made("/api/v1/namespaces", "Namespace", name=namespace)
    context = {"seccompProfile": {"type": "Unconfined"}}
    loose = a_function("loose", containerSecurityContext=context)
    policies = "/apis/casemate.dev/v1alpha1/functionpolicies"

    before = api.send("POST", FUNCTIONS, loose)[0]
    api.made(
        policies, "FunctionPolicy", "casemate.dev/v1alpha1", "seccomp",
        spec={
            "namespaces": {"names": ["shop"]},
            "relaxations": [
                {"fields": ["containerSecurityContext.seccompProfile"], "reason": "profiling"}
            ],
        },
    )  # fmt: skip
    after = api.send("POST", FUNCTIONS, loose)
    loose["metadata"]["namespace"] = "bank"
    elsewhere = api.send("POST", FUNCTIONS.replace("shop", "bank"), loose)[0]

    assert (before, after[0], elsewhere) == (422, 201, 422), after[1]


def test_a_watch_streams_what_happens(api):
    connection = api.connect()
    path = "/api/v1/namespaces/shop/configmaps?watch=true&resourceVersion=%d"
    connection.request("GET", path % api.service.store.revision)
    answer = connection.getresponse()
    api.made("/api/v1/namespaces/shop/configmaps", "ConfigMap", name="watched", data={"a": "b"})

    event = json.loads(answer.readline())
    connection.close()

    assert (event["type"], event["object"]["data"]) == ("ADDED", {"a": "b"})


def test_every_request_is_written_down_without_what_it_carried(api):
    api.made(
        "/api/v1/namespaces/shop/secrets", "Secret", name="audited", stringData={"k": "hunter2"}
    )
    api.as_user("GET", "/api/v1/namespaces/shop/secrets/audited?pretty=topsecret", user="nobody")
    token = api.token()

    text = (api.folder / "data/audit.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    about = [line for line in lines if line.get("objectRef", {}).get("resource") == "secrets"]
    assert [(line["stage"], line.get("code"), line["decision"]) for line in about[-3:]] == [
        ("RequestReceived", None, "allow"), ("ResponseComplete", 201, "allow"),
        ("ResponseComplete", 403, "forbid"),
    ]  # fmt: skip
    assert (about[-1]["user"], about[-1]["impersonatedBy"]) == ("nobody", "casemate-admin")
    assert not any(secret in text for secret in ("hunter2", "topsecret", token))


def test_a_namespace_ends_with_everything_in_it(fresh):
    api = fresh(data_dir=None)
    api.made("/api/v1/namespaces", "Namespace", name="shop")
    api.made("/api/v1/namespaces/shop/configmaps", "ConfigMap", name="a")

    assert api.send("DELETE", "/api/v1/namespaces/shop")[0] == 200

    async def gone():
        while api.service.get("Namespace", "", "shop") is not None:
            await asyncio.sleep(0.05)
        return api.service.list("ConfigMap")

    assert api.call(gone()) == []
    assert (
        api.send("POST", "/api/v1/namespaces/shop/configmaps", {"metadata": {"name": "b"}})[0]
        == 404
    )


def test_a_default_account_that_is_deleted_comes_back_with_another_uid(fresh):
    api = fresh(data_dir=None)
    path = "/api/v1/namespaces/default/serviceaccounts/default"

    async def account(other_than=""):
        while True:
            found = api.service.get("ServiceAccount", "default", "default")
            if found is not None and found["metadata"]["uid"] != other_than:
                return found["metadata"]["uid"]
            await asyncio.sleep(0.05)

    first = api.call(account())
    assert api.send("DELETE", path)[0] == 200

    assert api.call(account(first)) != first


def test_the_service_closes_while_watches_stand(tmp_path):
    api = Api(tmp_path)
    connection = api.connect()
    connection.request("GET", "/api/v1/namespaces?watch=true")
    answer = connection.getresponse()
    answer.readline()

    api.close()

    answer.close()
    connection.close()


def test_dependents_go_with_their_owner(fresh):
    api = fresh(data_dir=None)
    path = "/api/v1/namespaces/default/configmaps"
    owner = api.made(path, "ConfigMap", name="owner")
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    tree = {"metadata": {"name": "dependent", "ownerReferences": [reference]}}
    assert api.send("POST", path, tree)[0] == 201

    api.send("DELETE", f"{path}/owner")

    async def gone():
        while api.service.get("ConfigMap", "default", "dependent") is not None:
            await asyncio.sleep(0.05)
        return True

    assert api.call(gone())


def test_everything_is_there_again_after_a_restart(tmp_path):
    first = Api(tmp_path)
    first.made("/api/v1/namespaces", "Namespace", name="shop")
    first.made("/api/v1/namespaces/shop/secrets", "Secret", name="s", stringData={"k": "hunter2"})
    first.made("/api/v1/namespaces/shop/serviceaccounts", "ServiceAccount", name="ci")
    token = first.token()
    kubeconfig = first.user
    first.close()

    second = Api(tmp_path)
    try:
        assert second.send("GET", "/api/v1/namespaces/shop/secrets/s")[0] == 200
        assert second.user == kubeconfig
        status, _ = second.send("GET", "/version", admin=False, Authorization=f"Bearer {token}")
        assert status == 200
        assert b"hunter2" not in (tmp_path / "data/store.sqlite").read_bytes()
        modes = {
            path.relative_to(tmp_path): path.stat().st_mode & 0o077
            for path in tmp_path.rglob("*")
            if path.is_file() and path.name != "admin.pem"
        }
        assert set(modes.values()) == {0}, modes
    finally:
        second.close()


def test_a_default_role_that_somebody_cut_is_whole_again_after_a_restart(tmp_path):
    first = Api(tmp_path)
    path = f"{RBAC}/clusterroles/casemate:view"
    first.send("PATCH", path, {"rules": []}, content="application/merge-patch+json")
    kept = f"{RBAC}/clusterroles/casemate:invoker"
    owned = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}},
             "rules": []}  # fmt: skip
    first.send("PATCH", kept, owned, content="application/merge-patch+json")
    first.send("DELETE", f"{RBAC}/clusterrolebindings/system:discovery")
    first.close()

    second = Api(tmp_path)
    try:
        assert second.send("GET", path)[1]["rules"]
        assert not second.send("GET", kept)[1].get("rules")
        assert second.as_user("GET", "/apis")[0] == 200
    finally:
        second.close()


@pytest.mark.parametrize(
    "listen", ["8080", "0.0.0.0:8080", "[::]:1", "example.com:1", "127.0.0.1:x", "127.0.0.1:99999"]
)
def test_an_address_that_cannot_be_served_safely_is_refused_before_anything_starts(
    tmp_path, listen
):
    with pytest.raises(InvalidListenAddress):
        ApiService(ApiOptions(tmp_path / "data", tmp_path / "keys", listen))

    assert list(tmp_path.iterdir()) == []


def test_every_address_may_be_listened_on_under_a_name_and_is_still_tls(fresh):
    api = fresh(data_dir=None, listen="0.0.0.0:0", names=("api.example.com",))

    assert api.service.url.startswith("https://127.0.0.1:")
    assert api.send("GET", "/api/v1/namespaces", admin=False)[0] == 403


def test_a_data_directory_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "keys").write_text("a file")

    async def open_it():
        async with ApiService(ApiOptions(None, tmp_path / "keys")):
            pass

    with pytest.raises(ApiStateUnusable, match="choose another"):
        asyncio.run(open_it())


KINDS = kinds_of(served_resources())


def test_the_engine_writes_through_the_same_checks_as_everybody(fresh):
    api = fresh(data_dir=None)
    service = api.service

    async def whole():
        await service.ensure_namespace("shop")
        await service.ensure_namespace("shop")
        applied = await service.apply(a_function(), "casemate-run")
        again = await service.apply(a_function(), "casemate-run")
        assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]
        with pytest.raises(ApiError) as refused:
            await service.apply(a_function("loose", **LOOSE), "casemate-run")
        status = {"metadata": {**applied["metadata"]}, "kind": "Function",
                  "status": {"observedGeneration": 1}}  # fmt: skip
        updated = await service.update_status(status, "controller")
        with pytest.raises(ApiError) as stale:
            await service.update_status(status, "controller")
        await service.delete("Function", "shop", "hello")
        await service.delete("Function", "shop", "hello")
        return refused.value.status, updated, stale.value.status, service.list("Function")

    refused, updated, stale, left = api.call(whole())
    assert (refused, stale, left) == (422, 409, [])
    assert updated["status"] == {"observedGeneration": 1}
    assert updated["spec"]["source"]["inline"]["source"] == CODE


def test_the_client_protocol_is_this_api_too(fresh):
    api = fresh(data_dir=None)
    client = api.service.client

    def a_map(name="one", **fields):
        metadata = {"name": name, "namespace": "default", "labels": {"app": "x"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata} | fields

    async def whole():
        kind = KINDS["ConfigMap"]
        with pytest.raises(Missing):
            await client.get(ObjectRef(kind, "default", "one"))
        made = await client.create(a_map(), "test")
        with pytest.raises(Exists):
            await client.create(a_map(), "test")
        listed = await client.list(kind, "default", labels="app=x")
        assert [one["metadata"]["uid"] for one in listed.items] == [made["metadata"]["uid"]]
        await client.apply(a_map(data={"a": "1"}), "one")
        with pytest.raises(Conflict):
            await client.apply(a_map(data={"a": "2"}), "two", force=False)
        with pytest.raises(Conflict):
            await client.delete(ObjectRef(kind, "default", "one"), uid="another")
        await client.delete(ObjectRef(kind, "default", "one"), uid=made["metadata"]["uid"])
        await client.delete(ObjectRef(kind, "default", "one"))
        seen = []
        async for event in client.watch(kind, "default", since=listed.resource_version):
            seen.append(event.what)
            if event.what is Happened.DELETED:
                break
        with pytest.raises(Refused):
            await client.list(kind, labels="a in")
        with pytest.raises(Unreachable):
            # A version of the future, as after a restore: the server may yet get there.
            await anext(client.watch(kind, since="999999"))
        with pytest.raises(Missing):
            await client.get(ObjectRef(KindRef("v1", "Node", "nodes"), "", "x"))
        return seen

    assert api.call(whole()) == [Happened.MODIFIED, Happened.DELETED]
