"""The scale subresource: a Function's replicas as autoscaling/v1 Scale, for kubectl scale; pure."""

from __future__ import annotations

import copy

from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import Cause, Subject, bad_request, invalid

_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
MOST_REPLICAS = 2**31 - 1


def scale_of(tree: Tree) -> Tree:
    """Return the Scale of an object."""
    metadata, status = tree["metadata"], tree.get("status") or {}
    seen: Tree = {"replicas": status.get("replicas", 0)}
    if status.get("podSelector"):
        seen["selector"] = status["podSelector"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _COPIED if key in metadata},
        "spec": {"replicas": (tree.get("spec") or {}).get("replicas", 0)},
        "status": seen,
    }


def with_scale(tree: Tree, scale: Tree, subject: Subject) -> Tree:
    """Return the object with the replicas of a Scale. Raises ApiError 400 or 422."""
    if scale.get("kind", "Scale") != "Scale":
        raise bad_request(f"cannot handle a {scale.get('kind')} as a Scale")
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if type(replicas) is not int or not 0 <= replicas <= MOST_REPLICAS:
        cause = Cause("FieldValueInvalid",
                      f"Invalid value: {replicas!r}: must be a whole number that is not negative",
                      "spec.replicas")  # fmt: skip
        raise invalid(Subject("autoscaling", "scales", subject.name), (cause,), kind="Scale")
    wanted = copy.deepcopy(tree)
    wanted.setdefault("spec", {})["replicas"] = replicas
    seen = (scale.get("metadata") or {}).get("resourceVersion")
    if seen:
        wanted["metadata"]["resourceVersion"] = seen
    return wanted
