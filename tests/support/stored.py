"""Puts objects straight into a store, as an API server would have stored them."""

from __future__ import annotations

import uuid
from typing import Any

from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey, StoredObject
from casemate.engine.objects import CONFIG_MAPS, FUNCTIONS, NAMESPACES, POLICIES, SECRETS

_PLACES = {
    "Function": FUNCTIONS,
    "Secret": SECRETS,
    "ConfigMap": CONFIG_MAPS,
    "Namespace": NAMESPACES,
    "FunctionPolicy": POLICIES,
}
_CLUSTER = {"Namespace", "FunctionPolicy"}


def a_function(name: str, runtime: str, source: str, **spec: Any) -> dict[str, Any]:
    """Build a manifest; `spec` adds fields."""
    return {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {"runtime": runtime, "source": {"inline": {"source": source}}, **spec},
    }


def key_of(tree: dict[str, Any]) -> ObjectKey:
    """Return where an object is stored."""
    of, metadata = _PLACES[tree["kind"]], tree["metadata"]
    namespace = "" if tree["kind"] in _CLUSTER else metadata.get("namespace", "default")
    return ObjectKey(of.group, of.plural, namespace, metadata["name"])


async def put(store: Store, tree: dict[str, Any]) -> StoredObject:
    """Create an object, or replace it with the generation grown by one."""
    key = key_of(tree)
    before = store.get(key)
    known = before.tree()["metadata"] if before is not None else {}
    metadata = {
        **tree["metadata"],
        "uid": known.get("uid") or str(uuid.uuid4()),
        "generation": known.get("generation", 0) + 1,
    }
    if key.namespace:
        metadata["namespace"] = key.namespace
    whole = {**tree, "metadata": metadata}
    if before is None:
        return await store.create(key, whole)
    return await store.replace(key, whole, expected=before.resource_version)
