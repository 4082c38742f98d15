"""Unknown fields out, defaults in: what decoding does to an object before anybody looks at it.

Source: k8s.io/apiextensions-apiserver v0.36, pkg/apiserver/schema/{pruning,defaulting}.
"""

from __future__ import annotations

import copy
from typing import Any

from casemate.apiserver.patch.typed_schema import (
    OBJECT_META,
    UNTYPED,
    Schema,
    field_schema,
    is_declared,
    is_untyped,
    whole_schema,
)
from casemate.apiserver.resource import Tree

_EMBEDDED = "x-kubernetes-embedded-resource"
# What a field that is an object on its own has besides its schema.
_EMBEDDED_FIELDS: Schema = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": OBJECT_META,
}


def pruned_and_defaulted(
    schema: Schema, tree: Tree, *, built_in: bool
) -> tuple[Tree, tuple[str, ...]]:
    """Return the object with known fields and defaults, and the paths of the unknown ones."""
    pruner = _Pruner(built_in=built_in)
    found: Tree = pruner.known(whole_schema(schema), tree, "")
    return found, tuple(sorted(pruner.unknown))


class _Pruner:
    """One walk through one object."""

    def __init__(self, *, built_in: bool) -> None:
        self.unknown: list[str] = []
        self._built_in = built_in

    def known(self, schema: Schema, value: Any, path: str) -> Any:
        """Return a value without what its schema does not know."""
        if isinstance(value, dict):
            return self._fields(schema, value, path)
        items = schema.get("items")
        if isinstance(value, list) and items is not None:
            return [self._item(items, item, f"{path}[{index}]") for index, item in enumerate(value)]
        return copy.deepcopy(value)

    def _item(self, schema: Schema, item: Any, path: str) -> Any:
        if item is None and self._built_in:
            # To Go a null in a list is the empty value of its type.
            return {"object": {}, "string": ""}.get(str(schema.get("type")))
        return self.known(schema, item, path)

    def _fields(self, schema: Schema, tree: Tree, path: str) -> Tree:
        if schema.get(_EMBEDDED):
            own = {**(schema.get("properties") or {}), **_EMBEDDED_FIELDS}
            schema = {**schema, "properties": own}
        found: Tree = {}
        for name, value in tree.items():
            below = field_schema(schema, name)
            place = f"{path}.{name}" if path else name
            if below is None and schema.get("type") == "object":
                self.unknown.append(place)
            elif below is None or is_untyped(below):
                # A wrong type is told as such; its fields are not unknown ones.
                found[name] = copy.deepcopy(value)
            elif value is not None or below.get("nullable"):
                found[name] = self.known(below, value, place)
            elif self._built_in and below.get("type") == "string" and not is_declared(schema, name):
                # To Go a null among the texts of a map is the empty text.
                found[name] = ""
        for name, below in (schema.get("properties") or {}).items():
            if name not in found and "default" in below:
                found[name] = _Pruner(built_in=False).known(below, below["default"], "")
        return found


def without_empty(schema: Schema, tree: Tree, *, built_in: bool) -> None:
    """Drop the empty lists and maps that Go would not write; changes `tree`.

    In metadata that holds for every kind, elsewhere for the built-in ones.
    """
    metadata = tree.get("metadata")
    if isinstance(metadata, dict):
        for name in [name for name, value in metadata.items() if value in ({}, [], "")]:
            # `[]` in place of managedFields asks for a reset; who follows owners reads it.
            if name != "managedFields":
                del metadata[name]
    if built_in:
        rest = {name: value for name, value in tree.items() if name != "metadata"}
        kept = _as_go_writes(schema, rest)
        for name in rest:
            del tree[name]
        tree.update(kept)


def _as_go_writes(schema: Schema, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_go_writes(schema.get("items") or UNTYPED, item) for item in value]
    if not isinstance(value, dict) or is_untyped(schema):
        return value
    found: Tree = {}
    for name, child in value.items():
        below = field_schema(schema, name) or UNTYPED
        written = _as_go_writes(below, child)
        empty = written == [] or (written == {} and "properties" not in below)
        if not (empty and is_declared(schema, name)):
            found[name] = written
    return found
