"""The roles that every installation has, and who holds them; data.

After Kubernetes' own (`view`, `edit`, `admin`, `cluster-admin`, discovery), narrowed where the
product promises more: nobody reads a Function's source, its revisions or a Secret because he may
list objects, and nobody calls a Function because he may see it. See docs/decisions/0008.
"""

from __future__ import annotations

from typing import Any

from casemate.apiserver.access.attributes import AUTHENTICATED, MASTERS, UNAUTHENTICATED
from casemate.apiserver.resource import Tree

_RBAC = "rbac.authorization.k8s.io"
_SERVERLESS = "serverless.kyma-project.io"
_OURS = "casemate.dev"
_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_LABEL = "rbac.authorization.k8s.io/aggregate-to-"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""Set to "false" on one of these, it is left as its owner made it."""
_UPDATED = {AUTOUPDATE: "true"}
_BOOTSTRAPPED = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def _paths(paths: list[str]) -> dict[str, Any]:
    return {"nonResourceURLs": paths, "verbs": ["get", "head"]}


_VIEW = [
    _rule([_SERVERLESS], ["functions", "functions/status", "functions/scale"], _READ),
    _rule([_SERVERLESS], ["functions/posture"], ["get"]),
    _rule([_OURS], ["functionpolicies"], _READ),
    _rule(["operator.kyma-project.io"], ["serverlesses"], _READ),
    _rule([""], ["configmaps", "events", "namespaces", "pods", "pods/log", "serviceaccounts"],
          _READ),
]  # fmt: skip
_EDIT = [
    _rule([_SERVERLESS], ["functions", "functions/scale"], _WRITE),
    _rule([""], ["configmaps", "serviceaccounts"], _WRITE),
    # Who may write the code that runs with a Secret can read it in any case.
    _rule([""], ["secrets"], [*_READ, *_WRITE]),
    _rule([_OURS], ["functionsources"], [*_READ, *_WRITE]),
    # A revision holds the source that it was made of.
    _rule(["apps"], ["controllerrevisions"], _READ),
    _rule([_SERVERLESS], ["functions/invoke"], ["create"]),
    _rule([""], ["events"], ["create", "patch", "update"]),
]
_ADMIN = [
    _rule([_RBAC], ["roles", "rolebindings"], [*_READ, *_WRITE]),
    _rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
    _rule([""], ["serviceaccounts/token"], ["create"]),
]
_BASIC = [
    _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
          ["create"]),
    _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
]  # fmt: skip
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version",
              "/version/", "/healthz", "/livez", "/readyz"]  # fmt: skip
_PUBLIC = ["/healthz", "/livez", "/readyz", "/version", "/version/"]


def default_objects() -> tuple[Tree, ...]:
    """Return every default ClusterRole and ClusterRoleBinding."""
    return (
        _role("cluster-admin", [
            _rule(["*"], ["*"], ["*"]),
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ]),
        _collecting("admin"),
        _collecting("edit"),
        _collecting("view"),
        _role("casemate:admin", _ADMIN, "admin"),
        _role("casemate:edit", _EDIT, "edit", "admin"),
        _role("casemate:view", _VIEW, "view", "edit", "admin"),
        _role("casemate:source-reader", [
            _rule([_OURS], ["functionsources"], _READ),
            _rule(["apps"], ["controllerrevisions"], _READ),
        ]),
        _role("casemate:invoker", [
            _rule([_SERVERLESS], ["functions/invoke"], ["create"]),
        ]),
        _role("system:basic-user", _BASIC),
        _role("system:discovery", [_paths(_DISCOVERY)]),
        _role("system:public-info-viewer", [_paths(_PUBLIC)]),
        _binding("cluster-admin", MASTERS),
        _binding("system:basic-user", AUTHENTICATED),
        _binding("system:discovery", AUTHENTICATED),
        _binding("system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
    )  # fmt: skip


def _role(name: str, rules: list[dict[str, Any]], *collected_by: str) -> Tree:
    labels = dict(_BOOTSTRAPPED)
    labels |= {f"{_LABEL}{role}": "true" for role in collected_by}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels, "annotations": dict(_UPDATED)},
        "rules": rules,
    }


def _collecting(name: str) -> Tree:
    """A role whose rules are those of all roles that are labelled for it."""
    tree = _role(name, [])
    tree["aggregationRule"] = {
        "clusterRoleSelectors": [{"matchLabels": {f"{_LABEL}{name}": "true"}}]
    }
    return tree


def _binding(role: str, *groups: str) -> Tree:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {
            "name": role,
            "labels": dict(_BOOTSTRAPPED),
            "annotations": dict(_UPDATED),
        },
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": group} for group in groups],
    }
