"""Raw Pods (decoded JSON) that the restricted level allows, to be spoilt by a test."""

from __future__ import annotations

import copy
from typing import Any


def a_container(name: str = "function", **fields: Any) -> dict[str, Any]:
    """Return a restricted container; fields replace or, if None, remove."""
    container: dict[str, Any] = {
        "name": name,
        "image": "registry.example/function@sha256:" + "a" * 64,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return _changed(container, fields)


def a_container_with(name: str = "function", **context: Any) -> dict[str, Any]:
    """Return a restricted container whose securityContext differs in these fields."""
    container = a_container(name)
    container["securityContext"] = _changed(container["securityContext"], context)
    return container


def a_pod(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a restricted Pod; fields of the spec replace or, if None, remove."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello", "annotations": annotations or {}},
        "spec": _changed({"containers": [a_container()]}, spec),
    }


def a_workload(api_version: str, kind: str, *path: str) -> dict[str, Any]:
    """Return an object that holds the privileged Pod template at this path."""
    pod = a_pod(containers=[a_container_with(privileged=True)])
    body: dict[str, Any] = {"metadata": pod["metadata"], "spec": pod["spec"]}
    for key in reversed(path):
        body = {key: body}
    return {**body, "apiVersion": api_version, "kind": kind, "metadata": {"name": "hello"}}


def _changed(value: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    changed = {**copy.deepcopy(value), **fields}
    return {key: item for key, item in changed.items() if item is not None}
