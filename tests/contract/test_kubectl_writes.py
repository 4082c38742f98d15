"""What people type to change things, with this kubectl and with that of two versions ago."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import becomes, config_map, function

if TYPE_CHECKING:
    from pathlib import Path

    from support.api_client import Api

FN = "function.serverless.kyma-project.io"
LAST = "kubectl.kubernetes.io/last-applied-configuration"


def test_apply_creates_then_changes_then_leaves_alone(kubectl: Api) -> None:
    for spec, word in (
        ({}, "created"),
        ({"replicas": 2}, "configured"),
        ({"replicas": 2}, "unchanged"),
    ):
        said = kubectl.kubectl("apply", "-f", "-", stdin=function("f", spec))
        assert (said.out, said.err) == (f"{FN}/f {word}\n", "")
    assert (
        json.loads(kubectl.get("functions/f").tree["metadata"]["annotations"][LAST])["spec"][
            "replicas"
        ]
        == 2
    )


def test_apply_removes_what_the_file_no_longer_has(kubectl: Api) -> None:
    kubectl.kubectl("apply", "-f", "-", stdin=config_map("a", {"x": "1", "y": "2"}))
    kubectl.patch("configmaps/a", {"data": {"z": "3"}})
    kubectl.kubectl("apply", "-f", "-", stdin=config_map("a", {"x": "1"}))
    assert kubectl.get("configmaps/a").tree["data"] == {"x": "1", "z": "3"}


def test_apply_of_a_file_with_several_objects(kubectl: Api, tmp_path: Path) -> None:
    objects = [
        config_map("a"),
        function("f"),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"}},
    ]
    (tmp_path / "all.yaml").write_text("---\n".join(json.dumps(one) + "\n" for one in objects))
    said = kubectl.kubectl("apply", "-f", str(tmp_path))
    assert said.out == f"configmap/a created\n{FN}/f created\nserviceaccount/s created\n"


def test_apply_prunes_what_is_no_longer_in_the_files(kubectl: Api) -> None:
    words = ("apply", "--prune", "-l", "set=one", "--prune-allowlist=core/v1/ConfigMap", "-f", "-")
    both = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [config_map(n, labels={"set": "one"}) for n in "ab"],
    }
    kubectl.kubectl(*words, stdin=both)
    said = kubectl.kubectl(*words, stdin=config_map("a", labels={"set": "one"}))
    assert "configmap/b pruned" in said.out


def test_server_side_apply_tells_conflicts_and_forces_them(kubectl: Api) -> None:
    first = ("apply", "--server-side", "--field-manager=one", "-f", "-")
    said = kubectl.kubectl(*first, stdin=function("f", {"replicas": 1}))
    assert said.out == f"{FN}/f serverside-applied\n"
    second = ("apply", "--server-side", "--field-manager=two", "-f", "-")
    refused = kubectl.kubectl(*second, stdin=function("f", {"replicas": 2}), fails=True)
    assert 'Apply failed with 1 conflict: conflict with "one": .spec.replicas' in refused.err
    kubectl.kubectl(*second, "--force-conflicts", stdin=function("f", {"replicas": 2}))
    assert kubectl.get("functions/f").tree["spec"]["replicas"] == 2


def test_client_side_objects_move_to_server_side(kubectl: Api) -> None:
    kubectl.kubectl("apply", "-f", "-", stdin=config_map("a", {"x": "1", "y": "2"}))
    kubectl.kubectl("apply", "--server-side", "-f", "-", stdin=config_map("a", {"x": "1"}))
    tree = kubectl.get("configmaps/a").tree
    assert tree["data"] == {"x": "1"}
    managers = {(one["manager"], one["operation"]) for one in tree["metadata"]["managedFields"]}
    assert managers == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}


@pytest.mark.parametrize("mode", ["client", "server"])
def test_a_dry_run_says_so_and_keeps_nothing(kubectl: Api, mode: str) -> None:
    said = kubectl.kubectl("apply", f"--dry-run={mode}", "-f", "-", stdin=function("f"))
    assert said.out == f"{FN}/f created ({mode} dry run)\n".replace("client dry", "dry")
    assert kubectl.get("functions/f").status == 404


def test_diff_shows_what_an_apply_would_change(kubectl: Api) -> None:
    kubectl.kubectl("apply", "-f", "-", stdin=function("f", {"replicas": 1}))
    assert kubectl.kubectl("diff", "-f", "-", stdin=function("f", {"replicas": 1})).out == ""
    shown = kubectl.kubectl("diff", "-f", "-", stdin=function("f", {"replicas": 2}), fails=True)
    assert shown.code == 1
    assert "\n-  replicas: 1\n+  replicas: 2\n" in shown.out
    new = kubectl.kubectl("diff", "--server-side", "-f", "-", stdin=config_map("new"), fails=True)
    assert "+kind: ConfigMap\n" in new.out


def test_a_broken_function_is_refused_with_its_fields(kubectl: Api) -> None:
    said = kubectl.kubectl(
        "apply", "-f", "-", stdin=function("f", {"runtime": "cobol74"}), fails=True
    )
    assert 'The Function "f" is invalid' in said.err
    assert 'spec.runtime: Unsupported value: "cobol74"' in said.err


def test_an_unknown_field_is_refused_by_the_servers_strictness(kubectl: Api) -> None:
    said = kubectl.kubectl("apply", "-f", "-", stdin=function("f", {"colour": "red"}), fails=True)
    assert 'unknown field "spec.colour"' in said.err
    warned = kubectl.kubectl(
        "apply", "--validate=warn", "-f", "-", stdin=function("f", {"colour": "red"})
    )
    assert 'Warning: unknown field "spec.colour"' in warned.err


def test_create_refuses_a_second_time(kubectl: Api) -> None:
    assert kubectl.kubectl("create", "-f", "-", stdin=function("f")).out == f"{FN}/f created\n"
    again = kubectl.kubectl("create", "-f", "-", stdin=function("f"), fails=True)
    assert again.err == (
        'Error from server (AlreadyExists): error when creating "STDIN": '
        'functions.serverless.kyma-project.io "f" already exists\n'
    )


CREATED = [
    ("create configmap a --from-literal=x=1", "configmap/a created\n"),
    ("create secret generic a --from-literal=x=1", "secret/a created\n"),
    ("create secret docker-registry a --docker-server=r.test --docker-username=u --docker-password=p", "secret/a created\n"),
    ("create serviceaccount a", "serviceaccount/a created\n"),
    ("create role a --verb=get,list --resource=functions.serverless.kyma-project.io", "role.rbac.authorization.k8s.io/a created\n"),
    ("create role a --verb=update --resource=functions.serverless.kyma-project.io/scale", "role.rbac.authorization.k8s.io/a created\n"),
    ("create rolebinding a --clusterrole=view --user=ann --serviceaccount=default:robot", "rolebinding.rbac.authorization.k8s.io/a created\n"),
    ("create -f - --dry-run=server", "configmap/a created (server dry run)\n"),
    ("create configmap a --from-literal=x=1 --dry-run=client -o name", "configmap/a\n"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), CREATED, ids=[one[0][:40] for one in CREATED])
def test_create_makes(kubectl: Api, words: str, expected: str) -> None:
    stdin = config_map("a") if "-f" in words.split() else None
    assert kubectl.kubectl(*words.split(), stdin=stdin).out == expected


def test_create_makes_what_has_no_namespace(kubectl: Api) -> None:
    name = f"{kubectl.namespace}-more"
    assert kubectl.kubectl("create", "namespace", name).out == f"namespace/{name} created\n"
    made = kubectl.kubectl("create", "clusterrole", name, "--verb=get", "--resource=configmaps")
    assert made.out == f"clusterrole.rbac.authorization.k8s.io/{name} created\n"
    bound = kubectl.kubectl(
        "create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=x"
    )
    assert bound.out == f"clusterrolebinding.rbac.authorization.k8s.io/{name} created\n"


def test_create_token_gives_one_that_is_the_account(kubectl: Api) -> None:
    kubectl.kubectl("create", "serviceaccount", "robot")
    token = kubectl.kubectl("create", "token", "robot", "--duration=10m").out.strip()
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    status = kubectl.post("/apis/authentication.k8s.io/v1/tokenreviews", asked).tree["status"]
    assert status["user"]["username"] == f"system:serviceaccount:{kubectl.namespace}:robot"


def test_replace_and_force_replace(kubectl: Api) -> None:
    uid = kubectl.post("functions", function("f")).tree["metadata"]["uid"]
    said = kubectl.kubectl("replace", "-f", "-", stdin=function("f", {"replicas": 3}))
    assert said.out == f"{FN}/f replaced\n"
    kubectl.kubectl("replace", "--force", "-f", "-", stdin=function("f"))
    tree = kubectl.get("functions/f").tree
    assert tree["metadata"]["uid"] != uid
    missing = kubectl.kubectl("replace", "-f", "-", stdin=function("none"), fails=True)
    assert "Error from server (NotFound)" in missing.err


def test_edit_writes_what_the_editor_left(kubectl: Api, tmp_path: Path) -> None:
    kubectl.post("functions", function("f", {"replicas": 1}))
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/replicas: 1/replicas: 4/" "$1"\n')
    editor.chmod(0o700)
    said = kubectl.kubectl("edit", "fn", "f", KUBE_EDITOR=str(editor))
    assert said.out == f"{FN}/f edited\n"
    assert kubectl.get("functions/f").tree["spec"]["replicas"] == 4
    untouched = kubectl.kubectl("edit", "fn", "f", KUBE_EDITOR="true")
    assert "Edit cancelled, no changes made." in untouched.err


PATCHED: list[tuple[str, str, str, Any]] = [
    ("cm/a", "merge", '{"data":{"x":"1"}}', {"key": "value", "x": "1"}),
    ("cm/a", "strategic", '{"data":{"key":null}}', None),
    ("cm/a", "json", '[{"op":"replace","path":"/data/key","value":"2"}]', {"key": "2"}),
]


@pytest.mark.parametrize(
    ("target", "kind", "body", "data"), PATCHED, ids=[one[1] for one in PATCHED]
)
def test_patch_of_each_kind(kubectl: Api, target: str, kind: str, body: str, data: Any) -> None:
    kubectl.post("configmaps", config_map("a"))
    assert (
        kubectl.kubectl("patch", target, f"--type={kind}", "-p", body).out
        == "configmap/a patched\n"
    )
    assert kubectl.get("configmaps/a").tree.get("data") == data
    assert kubectl.kubectl("patch", target, f"--type={kind}", "-p", "[]" if kind == "json" else "{}").out == (
        "configmap/a patched (no change)\n"
    )  # fmt: skip


def test_patch_of_a_function(kubectl: Api) -> None:
    kubectl.post("functions", function("f"))
    refused = kubectl.kubectl("patch", "fn", "f", "-p", '{"spec":{"replicas":2}}', fails=True)
    assert "application/strategic-merge-patch+json is not supported" in refused.err
    kubectl.kubectl("patch", "fn", "f", "--type=merge", "-p", '{"spec":{"replicas":2}}')
    kubectl.kubectl(
        "patch",
        "fn",
        "f",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"replicas":2}}',
    )
    tree = kubectl.get("functions/f").tree
    assert (tree["spec"]["replicas"], tree["status"]["replicas"]) == (2, 2)


def test_scale_sets_the_replicas_and_checks_what_they_were(kubectl: Api) -> None:
    kubectl.post("functions", function("f", {"replicas": 1}))
    assert kubectl.kubectl("scale", "fn/f", "--replicas=3").out == f"{FN}/f scaled\n"
    wrong = kubectl.kubectl("scale", "fn/f", "--current-replicas=1", "--replicas=2", fails=True)
    assert "Expected replicas to be 1, was 3" in wrong.err
    assert kubectl.get("functions/f").tree["spec"]["replicas"] == 3


def test_label_and_annotate(kubectl: Api) -> None:
    kubectl.post("functions", function("f", labels={"old": "1"}))
    assert kubectl.kubectl("label", "fn", "f", "new=2").out == f"{FN}/f labeled\n"
    assert kubectl.kubectl("label", "fn", "f", "old-").out == f"{FN}/f unlabeled\n"
    refused = kubectl.kubectl("label", "fn", "f", "new=3", fails=True)
    assert "already has a value (2), and --overwrite is false" in refused.err
    kubectl.kubectl("annotate", "fn", "f", "note=hello world")
    metadata = kubectl.get("functions/f").tree["metadata"]
    assert metadata["labels"] == {"new": "2"}
    assert metadata["annotations"] == {"note": "hello world"}


def test_delete_waits_until_it_is_gone(kubectl: Api) -> None:
    kubectl.post("functions", function("f"))
    said = kubectl.kubectl("delete", "fn", "f")
    assert re.fullmatch(rf'{FN} "f" deleted( from {kubectl.namespace} namespace)?\n', said.out)
    assert kubectl.get("functions/f").status == 404
    missing = kubectl.kubectl("delete", "fn", "f", fails=True)
    assert "Error from server (NotFound)" in missing.err
    assert kubectl.kubectl("delete", "fn", "f", "--ignore-not-found").out == ""


def test_delete_with_a_finalizer_waits_in_vain_or_does_not_wait(kubectl: Api) -> None:
    kubectl.post("functions", function("f", finalizers=["test.io/hold"]))
    late = kubectl.kubectl("delete", "fn", "f", "--timeout=1s", fails=True)
    assert "timed out waiting for the condition" in late.err
    kubectl.kubectl("delete", "fn", "f", "--wait=false")
    kubectl.kubectl(
        "patch", "fn", "f", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]'
    )
    assert kubectl.kubectl("wait", "--for=delete", "fn/f", "--timeout=20s").err == ""


DELETES = [
    ("delete cm --all", set()), ("delete cm -l n=1", {"a", "c"}), ("delete cm a b", {"c"}),
    ("delete cm/a --cascade=orphan", {"b", "c"}), ("delete cm/a --now", {"b", "c"}),
    ("delete cm/a --cascade=foreground", {"b", "c"}),
    ("delete cm --field-selector metadata.name=a", {"b", "c"}),
    ("delete cm --all --dry-run=server", {"a", "b", "c"}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "left"), DELETES, ids=[one[0] for one in DELETES])
def test_delete_takes_what_it_names(kubectl: Api, words: str, left: set[str]) -> None:
    for number, name in enumerate("abc"):
        kubectl.post("configmaps", config_map(name, labels={"n": str(number)}))
    kubectl.kubectl(*words.split())
    items = kubectl.get("configmaps").tree["items"]
    assert {item["metadata"]["name"] for item in items} == left


def test_delete_of_a_file_takes_all_of_it(kubectl: Api) -> None:
    whole = {"apiVersion": "v1", "kind": "List", "items": [config_map("a"), function("f")]}
    kubectl.kubectl("apply", "-f", "-", stdin=whole)
    kubectl.kubectl("delete", "-f", "-", stdin=whole)
    assert kubectl.get("configmaps/a").status == kubectl.get("functions/f").status == 404


def test_delete_of_a_namespace_waits_for_what_is_in_it(kubectl: Api) -> None:
    kubectl.post("functions", function("f"))
    kubectl.kubectl("delete", "namespace", kubectl.namespace, "--timeout=40s")
    assert becomes(lambda: kubectl.get(f"/api/v1/namespaces/{kubectl.namespace}").status == 404)


def test_two_write_at_once_and_one_hears_of_it(kubectl: Api) -> None:
    old = kubectl.post("configmaps", config_map("a")).tree
    kubectl.patch("configmaps/a", {"data": {"x": "1"}})
    said = kubectl.kubectl("replace", "-f", "-", stdin=old, fails=True)
    assert "Error from server (Conflict)" in said.err
    assert "the object has been modified" in said.err
