"""What a server does to `metadata`: names, uids, times, generations; pure but for uid and time.

Source of the rules: k8s.io/apiserver v0.36, pkg/registry/rest (BeforeCreate, BeforeUpdate,
BeforeDelete). A client's value of a server's field is dropped on create and kept from the stored
object on update, so nobody can forge a uid, a creation time or a deletion.
"""

from __future__ import annotations

import copy
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import Cause, Subject, invalid

# Kubernetes' alphabet for generated names: no vowels, nothing that looks like another.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_MAX_GENERATED_BASE = 63 - _SUFFIX_LENGTH
_SERVER_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                  "generation", "selfLink", "resourceVersion")  # fmt: skip
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def metadata_of(tree: Tree) -> dict[str, Any]:
    """Return `metadata`, put there if it is missing or no object."""
    found = tree.get("metadata")
    if not isinstance(found, dict):
        found = tree["metadata"] = {}
    return found


def before_create(resource: Resource, tree: Tree, namespace: str, now: str) -> None:
    """Fill in what a new object gets from the server. Raises ApiError 422 without a name."""
    metadata = metadata_of(tree)
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
    base = metadata.get("generateName")
    if not metadata.get("name") and isinstance(base, str) and base:
        metadata["name"] = base[:_MAX_GENERATED_BASE] + _suffix()
    if not metadata.get("name"):
        cause = Cause("FieldValueRequired", "Required value: name or generateName is required",
                      "metadata.name")  # fmt: skip
        raise invalid(Subject(resource.group, resource.plural), (cause,), kind=resource.kind)
    if resource.namespaced:
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now
    if has_generation(resource):
        metadata["generation"] = 1
    if "status" in resource.subresources:
        tree.pop("status", None)


def before_update(resource: Resource, stored: Tree, tree: Tree, subresource: str) -> None:
    """Keep what only the server may change, and count the generation."""
    metadata, old = metadata_of(tree), metadata_of(stored)
    if subresource == "status":
        _only_status(stored, tree)
        metadata = metadata_of(tree)
    elif "status" in resource.subresources:
        tree.pop("status", None)
        if "status" in stored:
            tree["status"] = copy.deepcopy(stored["status"])
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
        if field in old:
            metadata[field] = old[field]
    metadata["name"] = old["name"]
    if resource.namespaced:
        metadata["namespace"] = old["namespace"]
    else:
        metadata.pop("namespace", None)
    if "generateName" in old:
        metadata["generateName"] = old["generateName"]
    if has_generation(resource) and _desired(stored) != _desired(tree):
        metadata["generation"] = int(old.get("generation", 1)) + 1


def begin_deletion(resource: Resource, tree: Tree, now: str, finalizers: tuple[str, ...]) -> None:
    """Mark an object that something must still clean up; safe to repeat."""
    metadata = metadata_of(tree)
    if not metadata.get("deletionTimestamp"):
        metadata["deletionTimestamp"] = now
        metadata["deletionGracePeriodSeconds"] = 0
        if has_generation(resource):
            metadata["generation"] = int(metadata.get("generation", 1)) + 1
    held = list(metadata.get("finalizers") or ())
    metadata["finalizers"] = held + [name for name in finalizers if name not in held]


def is_finished(tree: Tree) -> bool:
    """Whether a deletion has nothing left to wait for."""
    metadata = metadata_of(tree)
    waiting = metadata.get("finalizers")
    spec = tree.get("spec") if tree.get("kind") == "Namespace" else None
    held = spec.get("finalizers") if isinstance(spec, dict) else None
    return bool(metadata.get("deletionTimestamp")) and not waiting and not held


def has_generation(resource: Resource) -> bool:
    """Whether a kind counts its generations: those with a spec do, but for Namespaces."""
    return "spec" in resource.schema.get("properties", {}) and resource.group != ""


def same_object(one: Tree, other: Tree) -> bool:
    """Whether two trees differ in nothing but the times and revisions that a write would set."""
    return _comparable(one) == _comparable(other)


def _comparable(tree: Tree) -> tuple[object, object, object]:
    metadata = tree.get("metadata") or {}
    managers = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in metadata.get("managedFields") or ()
        if isinstance(entry, Mapping)
    ]
    rest = {
        key: value
        for key, value in metadata.items()
        if key not in {"managedFields", "resourceVersion"}
    }
    return {key: value for key, value in tree.items() if key != "metadata"}, rest, managers


def _only_status(stored: Tree, tree: Tree) -> None:
    """Turn `tree` into the stored object with the new status."""
    status = tree.get("status")
    managers = metadata_of(tree).get("managedFields")
    tree.clear()
    tree.update(copy.deepcopy(stored))
    tree.pop("status", None)
    if status is not None:
        tree["status"] = status
    if managers is not None:
        metadata_of(tree)["managedFields"] = managers


def _desired(tree: Tree) -> Tree:
    return {key: value for key, value in tree.items() if key not in {"metadata", "status"}}


def _suffix() -> str:
    return "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH))
