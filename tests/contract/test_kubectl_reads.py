"""What people type to look at things, with this kubectl and with that of two versions ago."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import becomes, binding, config_map, function, role

if TYPE_CHECKING:
    from support.api_client import Api

READY = {
    "conditions": [
        {"type": "ConfigurationReady", "status": "True", "reason": "R", "message": "m",
         "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "Running", "status": "True", "reason": "R", "message": "m",
         "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]
}  # fmt: skip


@pytest.fixture
def filled(kubectl: Api) -> Api:
    """A namespace with three ConfigMaps and a Function."""
    for number in range(3):
        made = kubectl.post("configmaps", config_map(f"m{number}", labels={"n": str(number)}))
        assert made.status == 201
    assert kubectl.post("functions", function("f", {"replicas": 1})).status == 201
    return kubectl


def lines(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]


# (words, what is printed as a regular expression)
GETS = [
    ("get configmap m0", r"NAME +DATA +AGE\nm0 +1 +\d+s\n"),
    ("get cm m0 m1 --no-headers", r"m0 +1 +\d+s\nm1 +1 +\d+s\n"),
    ("get cm/m0 cm/m1 -o name", r"configmap/m0\nconfigmap/m1\n"),
    ("get cm -l n=1 -o name", r"configmap/m1\n"),
    ("get cm -l n!=1 -o name", r"configmap/m0\nconfigmap/m2\n"),
    ("get cm --field-selector metadata.name=m2 -o name", r"configmap/m2\n"),
    ("get cm --chunk-size 1 -o name", r"configmap/m0\nconfigmap/m1\nconfigmap/m2\n"),
    ("get cm m0 -o jsonpath={.data.key}", r"value"),
    ("get cm m0 -o go-template={{.data.key}}", r"value"),
    ("get cm -o custom-columns=N:.metadata.name,K:.data.key --sort-by=.metadata.name",
     r"N +K\nm0 +value\nm1 +value\nm2 +value\n"),
    ("get cm m0 --show-labels", r"NAME +DATA +AGE +LABELS\nm0 +1 +\d+s +n=0\n"),
    ("get cm m0 -L n", r"NAME +DATA +AGE +N\nm0 +1 +\d+s +0\n"),
    ("get function f", r"NAME +CONFIGURED +RUNNING +RUNTIME +VERSION +AGE\nf +python313 +1 +\d+s\n"),
    ("get fn", r"NAME +CONFIGURED +RUNNING +RUNTIME +VERSION +AGE\nf +python313 +1 +\d+s\n"),
    ("get functions.serverless.kyma-project.io f -o name", r"function.serverless.kyma-project.io/f\n"),
    ("get fn,cm -o name -l n!=2", r"function.serverless.kyma-project.io/f\nconfigmap/m0\nconfigmap/m1\n"),
    ("get fn -o wide", r"NAME +CONFIGURED +RUNNING +RUNTIME +VERSION +AGE\nf +python313 +1 +\d+s\n"),
    ("get all -o name", r"function.serverless.kyma-project.io/f\n"),
    ("get cm m0 --output-watch-events --watch --request-timeout=1s", r"EVENT +NAME +DATA +AGE\nADDED +m0 +1 +\d+s\n"),
    ("get cm nothing --ignore-not-found", r""),
    ("get --raw /healthz", r"ok"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), GETS, ids=[one[0] for one in GETS])
def test_get_prints(filled: Api, words: str, expected: str) -> None:
    argv = words.split()
    printed = _first_lines(filled, argv, 2) if "--watch" in argv else filled.kubectl(*argv).out
    assert re.fullmatch(expected, printed), printed


def _first_lines(api: Api, words: list[str], count: int) -> str:
    argv = [str(api.kubectls[api.kubectl_name]), "--namespace", api.namespace, *words]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=api.environment
    ) as process:
        assert process.stdout is not None
        printed = "".join(process.stdout.readline() for _ in range(count))
        process.kill()
    return printed


def test_get_as_json_and_yaml_is_the_object(filled: Api) -> None:
    tree = filled.kubectl("get", "cm", "m0", "-o", "json").tree
    assert (tree["kind"], tree["data"]) == ("ConfigMap", {"key": "value"})
    assert "managedFields" not in tree["metadata"]
    shown = filled.kubectl("get", "cm", "m0", "-o", "json", "--show-managed-fields").tree
    assert shown["metadata"]["managedFields"]
    text = filled.kubectl("get", "fn", "f", "-o", "yaml").out
    assert "  runtime: python313\n" in text
    whole = filled.kubectl("get", "cm", "-o", "json").tree
    assert (whole["kind"], len(whole["items"])) == ("List", 3)


def test_get_in_all_namespaces_shows_the_namespace(filled: Api) -> None:
    printed = lines(filled.kubectl("get", "fn", "-A").out)
    assert printed[0][0] == "NAMESPACE"
    assert [filled.namespace, "f"] in [row[:2] for row in printed]


def test_get_of_nothing_says_so(filled: Api) -> None:
    said = filled.kubectl("get", "secrets", "-l", "no=where")
    assert said.err == f"No resources found in {filled.namespace} namespace.\n"
    missing = filled.kubectl("get", "fn", "none", fails=True)
    assert missing.err == (
        'Error from server (NotFound): functions.serverless.kyma-project.io "none" not found\n'
    )
    unknown = filled.kubectl("get", "gizmos", fails=True)
    assert unknown.err == 'error: the server doesn\'t have a resource type "gizmos"\n'


def test_a_function_shows_its_conditions(filled: Api) -> None:
    filled.patch("functions/f/status", {"status": READY})
    assert re.search(r"\nf +True +True +python313 +1 +\d+s\n", filled.kubectl("get", "fn").out)


def test_wait_ends_when_the_condition_is_there(filled: Api) -> None:
    late = filled.kubectl(
        "wait", "--for=condition=Running", "fn/f", "--timeout=1s", fails=True
    )  # fmt: skip
    assert "timed out waiting for the condition" in late.err
    filled.patch("functions/f/status", {"status": READY})
    done = filled.kubectl("wait", "--for=condition=Running", "fn/f", "--timeout=20s")
    assert done.out == "function.serverless.kyma-project.io/f condition met\n"
    value = filled.kubectl(
        "wait", "--for=jsonpath={.spec.runtime}=python313", "fn/f", "--timeout=20s"
    )
    assert value.out == "function.serverless.kyma-project.io/f condition met\n"


def test_describe_tells_fields_and_events(filled: Api) -> None:
    uid = filled.get("functions/f").tree["metadata"]["uid"]
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "f.1"}, "type": "Warning",
        "reason": "SourceUpdateFailed", "message": "no such branch", "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "test"},
        "involvedObject": {
            "apiVersion": "serverless.kyma-project.io/v1alpha2", "kind": "Function", "name": "f",
            "namespace": filled.namespace, "uid": uid,
        },
    }  # fmt: skip
    made = filled.post("events", event)
    assert made.status == 201, made.body
    text = filled.kubectl("describe", "fn", "f").out
    assert re.search(r"^Name: +f\n", text)
    assert re.search(r"Runtime: +python313\n", text)
    assert re.search(r"Warning  SourceUpdateFailed  .*  test  +no such branch\n", text)
    listed = filled.kubectl("events", "--for", "fn/f").out
    assert re.search(r"Warning +SourceUpdateFailed +Function/f +no such branch\n", listed)
    selected = filled.kubectl(
        "get", "events", "--field-selector", f"involvedObject.uid={uid}", "-o", "name"
    )
    assert selected.out == "event/f.1\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("describe cm m0", r"Name: +m0\nNamespace: .*\nLabels: +n=0\n(.|\n)*key:\n----\nvalue\n"),
        ("describe ns default", r"Name: +default\n(.|\n)*Status: +Active\n"),
        ("describe clusterrole view", r"Name: +view\n(.|\n)*PolicyRule:\n"),
    ],
)
def test_describe_knows_the_core_kinds(filled: Api, words: str, expected: str) -> None:
    printed = filled.kubectl(*words.split()).out
    assert re.match(expected, printed), printed


EXPLAINED = [
    ("explain fn", ["GROUP:      serverless.kyma-project.io", "KIND:       Function", "spec"]),
    ("explain fn.spec.runtime", ["FIELD: runtime <string>", "ENUM:"]),
    ("explain functions.spec.source", ["FIELD: source <Object>", "gitRepository"]),
    ("explain cm", ["KIND:       ConfigMap", "binaryData", "immutable"]),
    ("explain secret.stringData", ["FIELD: stringData <map[string]string>"]),
    ("explain fnpol.spec --recursive", ["KIND:       FunctionPolicy"]),
]


@pytest.mark.parametrize(("words", "parts"), EXPLAINED, ids=[one[0] for one in EXPLAINED])
def test_explain_explains(kubectl: Api, words: str, parts: list[str]) -> None:
    printed = kubectl.kubectl(*words.split()).out
    for part in parts:
        assert part in printed, printed


def test_api_resources_lists_what_there_is(kubectl: Api) -> None:
    printed = kubectl.kubectl("api-resources", "--no-headers").out
    for row in (
        r"functions +fn,fns +serverless.kyma-project.io/v1alpha2 +true +Function",
        r"functionpolicies +fnpol +casemate.dev/v1alpha1 +false +FunctionPolicy",
        r"configmaps +cm +v1 +true +ConfigMap",
        r"roles +rbac.authorization.k8s.io/v1 +true +Role",
        r"controllerrevisions +apps/v1 +true +ControllerRevision",
    ):
        assert re.search(f"^{row}$", printed, re.MULTILINE), printed
    named = kubectl.kubectl("api-resources", "--api-group=casemate.dev", "-o", "name").out
    assert set(named.split()) == {"functionpolicies.casemate.dev", "functionsources.casemate.dev"}


def test_api_versions_lists_what_there_is(kubectl: Api) -> None:
    printed = set(kubectl.kubectl("api-versions").out.split())
    assert {"v1", "serverless.kyma-project.io/v1alpha2", "casemate.dev/v1alpha1"} <= printed


def test_config_view_shows_the_server_and_no_secret(kubectl: Api) -> None:
    printed = kubectl.kubectl("config", "view").out
    assert f"server: {kubectl.url}" in printed
    assert re.search(r"REDACTED|DATA\+OMITTED", printed)
    assert kubectl.kubectl("config", "current-context").out.strip()


def test_version_names_both_sides(kubectl: Api) -> None:
    printed = json.loads(kubectl.kubectl("version", "-o", "json").out)
    assert {"clientVersion", "serverVersion"} <= set(printed)


def test_auth_can_i_answers_and_lists(kubectl: Api) -> None:
    assert kubectl.kubectl("auth", "can-i", "create", "functions").out == "yes\n"
    no = kubectl.kubectl("auth", "can-i", "create", "functions", "--as=ann", fails=True)
    assert no.out == "no\n"
    kubectl.post("roles", role("r", ("", "configmaps", "get")))
    kubectl.post("rolebindings", binding("b", "Role", "r", "ann"))
    asked = ("auth", "can-i", "get", "configmaps", "--as=ann")
    assert becomes(lambda: _allowed(kubectl, *asked))
    listed = kubectl.kubectl("auth", "can-i", "--list", "--as=ann").out
    assert re.search(r"configmaps +\[\] +\[\] +\[get\]", listed), listed
    scale = kubectl.kubectl("auth", "can-i", "update", "fn", "--subresource=scale").out
    assert scale == "yes\n"


def _allowed(api: Api, *words: str) -> bool:
    argv = [str(api.kubectls[api.kubectl_name]), "--namespace", api.namespace, *words]
    done = subprocess.run(argv, capture_output=True, check=False, env=api.environment)
    return done.returncode == 0


def test_auth_whoami_names_who_is_meant(kubectl: Api) -> None:
    tree: dict[str, Any] = kubectl.kubectl(
        "auth", "whoami", "-o", "json", "--as=ann", "--as-group=system:authenticated"
    ).tree
    assert tree["status"]["userInfo"]["username"] == "ann"
