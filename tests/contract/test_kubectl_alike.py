"""The same commands, typed at both servers: what is printed must be the same text.

The other cases say what should be printed; this one covers what is too long to write down. Times,
ages, identities and addresses are the only words that may differ.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.api_objects import becomes, config_map, function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.api_client import Api

MAKE = """
create sa robot
create configmap cm --from-literal=a=b --from-literal=c=d
create secret generic sec --from-literal=a=b
create role r --verb=get,list --resource=configmaps,secrets --resource-name=x
create rolebinding rb --role=r --serviceaccount=default:robot --user=ann --group=staff
"""
# Topic -> commands, typed one after the other.
TOPICS = {
    "as yaml": """
        get cm cm -o yaml --show-managed-fields
        get secret sec -o yaml --show-managed-fields
        get sa robot -o yaml
        get role r -o yaml --show-managed-fields
        get rolebinding rb -o yaml
        get cm -o json --sort-by=.metadata.name""",
    "as tables": """
        get cm,secret,sa,role,rolebinding -o wide -l no!=label
        get clusterrole view cluster-admin
        get rolebinding rb -o wide
        get cm -o custom-columns=A:.metadata.name,B:.data.c
        get cm -o jsonpath-as-json={.items[*].data}""",
    "described": """
        describe role r
        describe rolebinding rb
        describe sa robot
        describe secret sec
        describe cm cm
        describe clusterrole cluster-admin""",
    "explained": """
        explain role.rules
        explain rolebinding.subjects
        explain sa
        explain ns.spec
        explain lease.spec
        explain event
        explain controllerrevision
        explain fnsrc.spec
        explain serverless.spec
        explain fn.spec.env
        explain fn.spec.scaleConfig
        explain fn.status.conditions
        explain fn --recursive""",
    "changed": """
        set subject rolebinding rb --user=bob
        get rolebinding rb -o jsonpath={.subjects}
        label cm cm l=1
        label cm cm l=2
        label cm cm l=2 --overwrite
        annotate cm cm l=1
        patch cm cm -p {"data":{"a":"z"}}
        apply view-last-applied cm cm
        get cm cm -o yaml
        delete cm --all --grace-period=0 --force""",
    "functions": """
        create -f DIR/fn.json
        get fn f -o yaml --show-managed-fields
        get fn f -o wide
        get fn -o custom-columns=A:.spec.runtime
        set env fn/f A=b
        rollout status fn/f
        expose fn f
        scale --replicas=3 fn f
        scale --replicas=2 -f DIR/fn.json
        get fn f --subresource=scale -o yaml
        get fn f --subresource=status -o yaml
        edit fn f --subresource=status
        delete fn f --cascade=foreground""",
    "files": """
        apply -k DIR
        diff -k DIR
        get cm k-cm -o yaml --show-managed-fields
        apply --server-side -k DIR
        apply --server-side --force-conflicts -k DIR
        get cm k-cm -o yaml --show-managed-fields
        delete -k DIR
        create -f DIR/large.json""",
    "refused": """
        get cm/none
        get nothing/else
        get --raw /apis/nothing
        get cm -l a=b=c
        get cm --field-selector data=x
        get fn --field-selector spec.runtime=x
        get cm cm --subresource=status
        create token nobody
        create namespace Not_A_Name
        create role r --verb=get --resource=gizmos
        create rolebinding rb --role=r --user=x
        wait --for=jsonpath={.data.none} cm/cm --timeout=1s""",
    "who may": """
        auth can-i get cm/x --as=ann
        auth can-i get secrets
        auth can-i nothing/else
        auth whoami --as=ann --as-group=staff
        get cm --as=ann
        create cm x --as=ann
        auth can-i get pods --as=system:serviceaccount:default:robot""",
}  # fmt: skip
# A word that no two servers share, and what stands for it.
DIFFERS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"(resourceVersion\"?: ?)\"\d+\"", r"\1VERSION"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s\"]*", "TIME"),
    (r"\b(\d+[hms])+\b", "AGE"),
    (r"https://127[\d.:]+", "URL"),
    (r"/\S*/(LIVE|MERGED)-\d+\S*", r"\1"),
    (r"(?m)[ \t]+", " "),
)


@pytest.fixture
def pair(kubernetes: Api, casemate: Api, names: Iterator[str]) -> tuple[Api, Api]:
    """Both servers, in namespaces of one name."""
    namespace = f"alike-{next(names)}"
    for server in (kubernetes, casemate):
        made = server.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        assert made.status == 201, made.body
    both = replace(kubernetes, namespace=namespace), replace(casemate, namespace=namespace)
    # A controller makes it a moment later, and it would be listed too, or not.
    assert all(
        becomes(lambda api=api: api.get("serviceaccounts/default").status == 200) for api in both
    )
    return both


@pytest.mark.parametrize("topic", TOPICS)
def test_both_servers_print_the_same(
    pair: tuple[Api, Api], topic: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "kustomization.yaml").write_text("resources: [cm.json]\nnamePrefix: k-\n")
    for name, tree in (
        ("cm", config_map("cm")), ("fn", function("f", {"replicas": 1}, labels={"a": "b"})),
        ("large", config_map("large", {"a": "x" * (4 << 20)})),
    ):  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(tree))
    for line in (MAKE + TOPICS[topic]).strip().splitlines():
        words = line.strip().replace("DIR", str(folder)).split()
        real, ours = (typed(server, words) for server in pair)
        assert ours == real, line


def typed(server: Api, words: list[str]) -> str:
    """Return the exit code and what was printed, without what may differ."""
    argv = [str(server.kubectls["kubectl"]), "--namespace", server.namespace, *words]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        env={**server.environment, "KUBE_EDITOR": "true"},
    )  # fmt: skip
    text = f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    for pattern, word in DIFFERS:
        text = re.sub(pattern, word, text)
    return text
