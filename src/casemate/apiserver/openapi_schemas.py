"""The schemas of one group and version as OpenAPI components: each kind, its list, what they use.

Kubernetes' definitions are given out unchanged; those of our kinds are made as its API server makes
them of a CustomResourceDefinition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from casemate.apiserver.core_schemas import META, definitions
from casemate.apiserver.resource import Resource, Subresource, Tree

REFERENCE = "#/components/schemas/"
_ALWAYS = ("DeleteOptions", "ListMeta", "ObjectMeta", "Patch", "Status", "WatchEvent")
_PACKAGES = {
    "": "io.k8s.api.core", "apps": "io.k8s.api.apps", "autoscaling": "io.k8s.api.autoscaling",
}  # fmt: skip
_KUBERNETES = ".k8s.io"


def schema_name(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's schema, as Kubernetes forms it."""
    if group in _PACKAGES:
        return f"{_PACKAGES[group]}.{version}.{kind}"
    if group.endswith(_KUBERNETES):
        # rbac.authorization.k8s.io lies in the package `rbac`, authorization.k8s.io in its own.
        return f"io.k8s.api.{group.partition('.')[0]}.{version}.{kind}"
    return f"{'.'.join(reversed(group.split('.')))}.{version}.{kind}"


def reference(name: str) -> Tree:
    """Return a reference to a schema."""
    return {"$ref": f"{REFERENCE}{name}"}


def components(resources: Iterable[Resource]) -> Tree:
    """Return name -> schema for all that these resources need."""
    found: Tree = {}
    for resource in resources:
        name = schema_name(resource.group, resource.version, resource.kind)
        if resource.model is not None:
            found[name] = _own_schema(resource)
        else:
            _collect(name, found)
        if "list" in resource.verbs:
            found[f"{name}List"] = _list_schema(resource, name)
        for subresource in resource.subresources.values():
            _subresource_schema(subresource, found)
    for name in _ALWAYS:
        _collect(f"{META}.{name}", found)
    return dict(sorted(found.items()))


def _collect(name: str, found: Tree) -> None:
    if name in found:
        return
    found[name] = definitions()[name]
    for target in _references(found[name]):
        _collect(target, found)


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for child in node for name in _references(child)]
    if not isinstance(node, dict):
        return []
    target = node.get("$ref")
    own = [target.removeprefix(REFERENCE)] if isinstance(target, str) else []
    return own + [name for child in node.values() for name in _references(child)]


def _own_schema(resource: Resource) -> Tree:
    schema = dict(resource.schema)
    about = definitions()[f"{META}.ObjectMeta"]
    documented = definitions()["io.k8s.api.core.v1.ConfigMap"]["properties"]
    schema["properties"] = {
        **resource.schema["properties"],
        "apiVersion": documented["apiVersion"],
        "kind": documented["kind"],
        "metadata": {
            "allOf": [reference(f"{META}.ObjectMeta")],
            "description": documented["metadata"].get("description", about.get("description", "")),
        },
    }
    return schema | _marked(resource)


def _list_schema(resource: Resource, name: str) -> Tree:
    documented = definitions()["io.k8s.api.core.v1.ConfigMap"]["properties"]
    return {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": documented["apiVersion"],
            "kind": documented["kind"],
            "metadata": {"allOf": [reference(f"{META}.ListMeta")]},
            "items": {
                "type": "array",
                "description": f"List of {resource.plural}",
                "items": {"allOf": [reference(name)]},
            },
        },
        "x-kubernetes-group-version-kind": [
            {"group": resource.group, "version": resource.version, "kind": resource.list_kind}
        ],
    }


def _subresource_schema(subresource: Subresource, found: Tree) -> None:
    name = schema_name(subresource.group, subresource.version, subresource.kind)
    if name in definitions():
        _collect(name, found)
    elif name not in found:
        found[name] = {
            "description": f"{subresource.kind} is what the subresource {subresource.name} answers",
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
        } | _marked(subresource)


def _marked(of: Resource | Subresource) -> Tree:
    kind = {"group": of.group, "version": of.version, "kind": of.kind}
    return {"x-kubernetes-group-version-kind": [kind]}
