"""Write the schemas of the Kubernetes kinds that the local API serves.

`go mod download -json k8s.io/kubernetes@v1.36.3` names the folder (`Dir`) that has the published
OpenAPI documents: `python scripts/core_schemas.py DIR`. Only definitions that a served kind reaches
are kept, unchanged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VERSION = "v1.36.3"
TARGET = Path(__file__).resolve().parent.parent / "src/casemate/apiserver/core_schemas.json"
ROOTS = {
    "api__v1": ("io.k8s.api.core.v1", (
        "Namespace", "Secret", "ConfigMap", "ServiceAccount", "Event", "Pod",
    )),
    "apis__apps__v1": ("io.k8s.api.apps.v1", ("ControllerRevision",)),
    "apis__rbac.authorization.k8s.io__v1": ("io.k8s.api.rbac.v1", (
        "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    )),
    "apis__coordination.k8s.io__v1": ("io.k8s.api.coordination.v1", ("Lease",)),
    "apis__authentication.k8s.io__v1": ("io.k8s.api.authentication.v1", (
        "TokenReview", "SelfSubjectReview",
    )),
    "apis__authorization.k8s.io__v1": ("io.k8s.api.authorization.v1", (
        "SubjectAccessReview", "SelfSubjectAccessReview", "LocalSubjectAccessReview",
        "SelfSubjectRulesReview",
    )),
}  # fmt: skip
# Reached from subresources and from every list and delete, not from a kind.
ALSO = {
    "api__v1": (
        "io.k8s.api.authentication.v1.TokenRequest", "io.k8s.api.autoscaling.v1.Scale",
        *(f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}"
          for name in ("DeleteOptions", "ListMeta", "ObjectMeta", "Patch", "Status", "WatchEvent")),
    ),
}  # fmt: skip


def collected(folder: Path) -> dict[str, Any]:
    """Return every definition that is needed, by its name."""
    found: dict[str, Any] = {}
    for document, (prefix, kinds) in ROOTS.items():
        path = folder / "api/openapi-spec/v3" / f"{document}_openapi.json"
        schemas = json.loads(path.read_text())["components"]["schemas"]
        left = [f"{prefix}.{kind}" for kind in kinds] + list(ALSO.get(document, ()))
        while left:
            name = left.pop()
            if name not in found:
                found[name] = schemas[name]
                left += _references(schemas[name])
    return dict(sorted(found.items()))


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for child in node for name in _references(child)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
    return own + [name for child in node.values() for name in _references(child)]


def main() -> int:
    """Write the file."""
    document = {
        "origin": f"k8s.io/kubernetes {VERSION}, api/openapi-spec/v3, unchanged definitions",
        "licence": "Apache-2.0, Copyright The Kubernetes Authors",
        "schemas": collected(Path(sys.argv[1])),
    }
    TARGET.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
