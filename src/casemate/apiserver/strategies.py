"""What a kind's own strategy does to an object before it is stored; pure, one function per kind.

Source: the strategies of Kubernetes 1.36 (pkg/registry/core/{namespace,secret}).
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from casemate.apiserver.object_meta import metadata_of
from casemate.apiserver.resource import Resource, Tree

NAME_LABEL = "kubernetes.io/metadata.name"
NAMESPACE_FINALIZER = "kubernetes"


def prepare(resource: Resource, old: Tree | None, new: Tree, subresource: str) -> None:
    """Change `new` in place as the kind wants it; `old` is None for a create."""
    strategy = _STRATEGIES.get((resource.group, resource.plural))
    if strategy is not None:
        strategy(old, new, subresource)


def finish(resource: Resource, tree: Tree) -> None:
    """Take out, after ownership was noted, what Kubernetes accepts and does not keep."""
    secrets = tree.get("secrets")
    if (resource.group, resource.plural) == ("", "serviceaccounts") and isinstance(secrets, list):
        tree["secrets"] = [{"name": one["name"]} if "name" in one else {} for one in secrets]
    if resource.plural.endswith("roles") and tree.get("rules") == []:
        tree["rules"] = None


def _namespace(old: Tree | None, new: Tree, subresource: str) -> None:
    metadata = metadata_of(new)
    labels = metadata.get("labels")
    metadata["labels"] = (labels if isinstance(labels, dict) else {}) | {
        NAME_LABEL: metadata["name"]
    }
    if old is None:
        new["spec"] = {"finalizers": [NAMESPACE_FINALIZER]}
        new["status"] = {"phase": "Active"}
    elif subresource != "finalize":
        new["spec"] = old.get("spec", {})


def _secret(old: Tree | None, new: Tree, _subresource: str) -> None:
    texts = new.pop("stringData", None)
    if isinstance(texts, dict) and texts:
        data = new.get("data")
        new["data"] = (data if isinstance(data, dict) else {}) | {
            key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()
        }
    if not new.get("type"):
        # Only when nothing was said: a changed type is refused elsewhere.
        new["type"] = old.get("type", "Opaque") if old is not None else "Opaque"


_STRATEGIES: dict[tuple[str, str], Callable[[Tree | None, Tree, str], None]] = {
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
}
