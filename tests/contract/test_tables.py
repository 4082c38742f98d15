"""What `kubectl get` prints is worked out by the server: column by column and cell by cell.

Selectors are here as well: what one may select by, and the words of a refusal.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.api_objects import binding, config_map, function, role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.api_client import Api

Tree = dict[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_AGE = re.compile(r"\d+[smhdy](\d+[smhdy])?")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _meta(kind: str, version: str, name: str, **fields: Any) -> Tree:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def _event(namespace: str, name: str, **fields: Any) -> Tree:
    about = {"kind": "Function", "name": "f", "namespace": namespace, "fieldPath": "spec"}
    told = {"reason": "Started", "message": " it runs \n", "type": "Normal"}
    return _meta("Event", "v1", name, involvedObject=about, **told) | fields


def _objects(namespace: str) -> dict[str, list[Tree]]:
    subjects = [
        {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
        {"kind": "Group", "name": "g", "apiGroup": "rbac.authorization.k8s.io"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    ]
    revision = _meta("ControllerRevision", "apps/v1", "r", revision=4, data={"a": 1})
    owned = _meta("ControllerRevision", "apps/v1", "s", revision=5, data={})
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "serverless.kyma-project.io/v1alpha2", "kind": "Function",
         "name": "owner", "controller": True}
    ]  # fmt: skip
    return {
        "configmaps": [config_map("a", {"k": "v"}), config_map("b", {})],
        "secrets": [_meta("Secret", "v1", "a", stringData={"k": "v"}),
                    _meta("Secret", "v1", "b", type="example.com/x")],
        "serviceaccounts": [_meta("ServiceAccount", "v1", "a")],
        "functions": [function("f"), function("g", {"replicas": 2})],
        "roles": [role("r", ("", "pods", "get"))],
        "rolebindings": [binding("a", "Role", "r", "u") | {"subjects": subjects}],
        "leases": [_meta("Lease", "coordination.k8s.io/v1", "a", spec={"holderIdentity": "me"}),
                   _meta("Lease", "coordination.k8s.io/v1", "b")],
        "controllerrevisions": [revision, owned],
        "events": [
            _event(namespace, "a", firstTimestamp="2026-01-01T00:00:00Z",
                   lastTimestamp="2026-01-01T00:00:00Z", count=3,
                   source={"component": "casemate", "host": "h"}),
            _event(namespace, "b", count=1, reportingComponent="x.io/y", reportingInstance="i"),
        ],
    }  # fmt: skip


@pytest.fixture
def both(kubernetes: Api, casemate: Api, names: Iterator[str]) -> tuple[Api, Api]:
    """Both servers, each with a namespace of the same name."""
    namespace = next(names)
    for server in (kubernetes, casemate):
        assert server.post("/api/v1/namespaces", {"metadata": {"name": namespace}}).status == 201
    return replace(kubernetes, namespace=namespace), replace(casemate, namespace=namespace)


def _table(api: Api, path: str, **query: str) -> Tree:
    answer = api.request("GET", path, headers={"Accept": TABLE}, **query)
    assert answer.status == 200, answer.body
    rows = [[_timeless(cell) for cell in row["cells"]] for row in answer.tree["rows"]]
    kinds = [row["object"] and row["object"]["kind"] for row in answer.tree["rows"]]
    return {"columns": answer.tree["columnDefinitions"], "rows": rows, "kinds": kinds}


def _timeless(cell: Any) -> Any:
    if isinstance(cell, str):
        return "AGE" if _AGE.fullmatch(cell) else "DATE" if _DATE.fullmatch(cell) else cell
    return cell


@pytest.mark.parametrize("plural", list(_objects("n")))
@pytest.mark.parametrize("include", ["Metadata", "Object", "None"])
def test_a_table_is_kubernetes_table(both: tuple[Api, Api], plural: str, include: str) -> None:
    tables = []
    for api in both:
        # An owner that exists: what it owns would be collected otherwise.
        owner = api.post("functions", function("owner")).tree
        for tree in _objects(api.namespace)[plural]:
            for reference in tree["metadata"].get("ownerReferences", ()):
                reference["uid"] = owner["metadata"]["uid"]
            answer = api.post(plural, tree)
            assert answer.status == 201, answer.body
        tables.append(_table(api, plural, includeObject=include))

    assert tables[1]["columns"] == tables[0]["columns"]
    if plural == "serviceaccounts":
        # A real cluster's controllers add `default` when they come to it.
        tables = [
            table | {"rows": [row for row in table["rows"] if row[0] == "a"], "kinds": []}
            for table in tables
        ]
    assert tables[1] == tables[0]


@pytest.mark.parametrize("plural", ["namespaces", "clusterroles", "clusterrolebindings"])
def test_the_columns_of_cluster_kinds_are_kubernetes_own(
    kubernetes: Api, casemate: Api, plural: str
) -> None:
    path = f"/api/v1/{plural}"
    if plural != "namespaces":
        path = f"/apis/rbac.authorization.k8s.io/v1/{plural}"

    assert _table(casemate, path)["columns"] == _table(kubernetes, path)["columns"]


@pytest.mark.parametrize(
    ("plural", "selector"),
    [
        ("configmaps", {"labelSelector": text})
        for text in (
            "a=b", "a in (b,c),!d", "a notin ()", "a>1", "a in (,b)", "x gt 3", "a in b", "a,",
            "a=b c", "!a=b", "=a", "-a", "a/b/c", "/a", "a/", "A_/b", "a=-b", "a in (b c)", "a<z",
            "a==b==c", "a in (*,-)", "x" * 64, f"a={'y' * 64}", "(", "!", "a in (=)", "in in (in)",
        )
    ]
    + [
        (plural, {"fieldSelector": text})
        for plural, text in (
            ("configmaps", "metadata.name=a"), ("configmaps", "data.a=b"),
            ("configmaps", "metadata.name"), ("configmaps", r"metadata.name=a\x"),
            ("configmaps", "metadata.name=a=b"), ("configmaps", "metadata.name!=a,"),
            ("functions", "metadata.namespace=a"), ("functions", "spec.runtime=a"),
            ("secrets", "type=Opaque"), ("secrets", "data=a"), ("events", "source=a"),
            ("events", "involvedObject.kind=Function,reason!=a"), ("events", "message=a"),
            ("leases", "spec.holderIdentity=a"), ("roles", "metadata.name==a"),
        )
    ],
    ids=str,
)  # fmt: skip
def test_a_selector_is_taken_or_refused_in_the_same_words(
    both: tuple[Api, Api], plural: str, selector: dict[str, str]
) -> None:
    real, ours = (api.get(plural, **selector) for api in both)

    assert ours.status == real.status
    assert ours.tree.get("message") == real.tree.get("message")
