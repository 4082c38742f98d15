"""Objects that the contract suite sends; small, and valid unless said otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Tree = dict[str, Any]
FUNCTIONS = "serverless.kyma-project.io/v1alpha2"
# How long a controller of a real cluster may take on a busy machine.
_SETTLED_SECONDS = 40.0


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"key": "value"} if data is None else data,
    }


def function(name: str, spec: Tree | None = None, **metadata: Any) -> Tree:
    wanted = {"runtime": "python313", "source": {"inline": {"source": "def main(e, c): return 1"}}}
    return {
        "apiVersion": FUNCTIONS,
        "kind": "Function",
        "metadata": {"name": name, **metadata},
        "spec": {**wanted, **(spec or {})},
    }


def role(name: str, *rules: tuple[str, str, str], names: tuple[str, ...] = ()) -> Tree:
    """Return a Role; a rule is (group, resources, verbs), the last two comma-separated."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": [
            {
                "apiGroups": [group],
                "resources": resources.split(","),
                "verbs": verbs.split(","),
                **({"resourceNames": list(names)} if names else {}),
            }
            for group, resources, verbs in rules
        ],
    }


def binding(name: str, kind: str, of: str, user: str) -> Tree:
    """Bind a Role or ClusterRole to a user."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": kind, "name": of},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def owner(tree: Tree, **fields: Any) -> Tree:
    """Return the ownerReference to an object as the server answered it."""
    metadata = tree["metadata"]
    return {
        "apiVersion": tree["apiVersion"],
        "kind": tree["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        **fields,
    }


def becomes(true: Callable[[], bool]) -> bool:
    """Wait until something is so; tells whether it ever was."""
    end = time.monotonic() + _SETTLED_SECONDS
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
