"""The OpenAPI documents of this API: v3 by group and version with hashes, and v2 as one JSON.

Each is made when it is first asked for and kept; the hash in its address changes with its content,
so that a client's cache is never wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from casemate.apiserver.discovery import group_versions
from casemate.apiserver.openapi_paths import paths
from casemate.apiserver.openapi_protobuf import protobuf_v2
from casemate.apiserver.openapi_schemas import REFERENCE, components
from casemate.apiserver.reply import encoded
from casemate.apiserver.resource import Resource, Tree

_INFO = {"title": "Kubernetes", "version": "unversioned"}


@dataclass(frozen=True, slots=True)
class Document:
    """One document and what its content is known by."""

    body: bytes
    digest: str

    @classmethod
    def of(cls, tree: Any) -> Document:
        """Write and hash."""
        return cls.of_bytes(encoded(tree))

    @classmethod
    def of_bytes(cls, body: bytes) -> Document:
        """Hash what is written already."""
        return cls(body, hashlib.sha512(body).hexdigest().upper())


class OpenApi:
    """All documents of a set of resources."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._groups = group_versions(resources)
        self._made: dict[str, Document] = {}

    @cached_property
    def index(self) -> Document:
        """Return where the document of each group and version is."""
        found: Tree = {}
        for group, version in self._groups:
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            document = self.group_version(name)
            if document is not None:
                address = f"/openapi/v3/{name}?hash={document.digest}"
                found[name] = {"serverRelativeURL": address}
        return Document.of({"paths": found})

    def group_version(self, name: str) -> Document | None:
        """Return the document of `api/v1` or `apis/GROUP/VERSION`; None for another name."""
        if name not in self._made:
            match name.split("/"):
                case ["api", version]:
                    key = ("", version)
                case ["apis", group, version] if group:
                    key = (group, version)
                case _:
                    return None
            if key not in self._groups:
                return None
            self._made[name] = Document.of(_v3(self._groups[key]))
        return self._made[name]

    @cached_property
    def v2(self) -> Document:
        """Return the older form: one document, definitions and paths of everything."""
        return Document.of(self._v2_tree())

    @cached_property
    def v2_protobuf(self) -> Document:
        """Return the definitions of `v2` as kubectl reads them."""
        return Document.of_bytes(protobuf_v2(self._v2_tree()))

    def _v2_tree(self) -> Tree:
        every = [resource for resources in self._groups.values() for resource in resources]
        return {
            "swagger": "2.0",
            "info": _INFO,
            "paths": {path: _v2_path(item) for path, item in paths(every).items()},
            "definitions": _v2(components(every)),
        }


def _v3(resources: list[Resource]) -> Tree:
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths(resources),
        "components": {"schemas": components(resources)},
    }


def _v2(node: Any) -> Any:
    """Turn schemas of version 3 into those of version 2."""
    if isinstance(node, list):
        return [_v2(child) for child in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": node["$ref"].replace(REFERENCE, "#/definitions/")}
    alternatives = node.get("allOf")
    if isinstance(alternatives, list) and len(alternatives) == 1:
        rest = {key: value for key, value in node.items() if key not in {"allOf", "default"}}
        merged: Tree = {**rest, **_v2(alternatives[0])}
        return merged
    if isinstance(node.get("oneOf"), list):
        # Version 2 knows no alternatives: Kubernetes writes an int-or-string as a string.
        rest = {key: value for key, value in node.items() if key != "oneOf"}
        return rest | {"type": "string"}
    return {key: _v2(child) for key, child in node.items()}


def _v2_path(item: Tree) -> Tree:
    return {
        method: [_v2_parameter(one) for one in value]
        if method == "parameters"
        else _v2_operation(value)
        for method, value in item.items()
    }


def _v2_operation(operation: Tree) -> Tree:
    kept = {key: value for key, value in operation.items() if key != "requestBody"}
    parameters = [_v2_parameter(one) for one in operation["parameters"]]
    body = operation.get("requestBody")
    if body:
        types = list(body["content"])
        schema = _v2(body["content"][types[0]]["schema"])
        parameters.insert(0, {"name": "body", "in": "body", "schema": schema,
                              "required": body.get("required", False)})  # fmt: skip
        kept["consumes"] = types
    kept["responses"] = {
        code: {"description": told["description"]}
        | ({"schema": _v2(next(iter(told["content"].values()))["schema"])}
           if "content" in told else {})
        for code, told in operation["responses"].items()
    }  # fmt: skip
    return kept | {"parameters": parameters, "produces": ["application/json", "application/yaml"]}


def _v2_parameter(parameter: Tree) -> Tree:
    return {key: value for key, value in parameter.items() if key != "schema"} | {
        **parameter["schema"]
    }
