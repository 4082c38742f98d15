"""Unknown fields out, defaults in: what decoding does to an object before anybody looks at it.

Source: k8s.io/apiextensions-apiserver v0.36, pkg/apiserver/schema/{pruning,defaulting}.
"""

from __future__ import annotations

import copy
from typing import Any

from casemate.apiserver.patch.typed_schema import (
    OBJECT_META,
    Schema,
    field_schema,
    is_untyped,
    whole_schema,
)
from casemate.apiserver.resource import Tree

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
# What a field that is an object on its own has besides its schema.
_EMBEDDED_FIELDS: Schema = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": OBJECT_META,
}


def pruned_and_defaulted(schema: Schema, tree: Tree) -> tuple[Tree, tuple[str, ...]]:
    """Return the object with known fields and defaults, and the paths of the unknown ones."""
    unknown: list[str] = []
    found: Tree = _known(whole_schema(schema), tree, "", unknown)
    return found, tuple(sorted(unknown))


def _known(schema: Schema, value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return _known_fields(schema, value, path, unknown)
    if isinstance(value, list):
        items = schema.get("items")
        if items is None:
            return copy.deepcopy(value)
        return [
            _known(items, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)
        ]
    return value


def _known_fields(schema: Schema, tree: Tree, path: str, unknown: list[str]) -> Tree:
    if schema.get(_EMBEDDED):
        own = {**(schema.get("properties") or {}), **_EMBEDDED_FIELDS}
        schema = {**schema, "properties": own}
    found: Tree = {}
    for name, value in tree.items():
        below = field_schema(schema, name)
        place = f"{path}.{name}" if path else name
        if below is None:
            # A wrong type is told as such; its fields are not unknown ones.
            if schema.get("type") == "object":
                unknown.append(place)
            else:
                found[name] = copy.deepcopy(value)
        elif is_untyped(below):
            found[name] = copy.deepcopy(value)
        elif value is not None or below.get("nullable"):
            found[name] = _known(below, value, place, unknown)
    for name, below in (schema.get("properties") or {}).items():
        if name not in found and "default" in below:
            found[name] = _known(below, copy.deepcopy(below["default"]), "", [])
    return found
