"""What a structural schema says about merging: which lists are maps or sets, what is one leaf.

Kubernetes' rules: a list is one leaf unless its schema says otherwise, an object is merged field by
field unless its schema says `atomic`, and what no schema describes is merged as its own shape is.
Source: k8s.io/kube-openapi, pkg/schemaconv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from casemate.apiserver.patch.field_set import key_element, value_element

Schema: TypeAlias = Mapping[str, Any]

UNTYPED: Schema = {}
"""No schema: objects are merged by field, lists are leaves."""
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_OWNER: Schema = {
    "type": "object",
    "x-kubernetes-map-type": "atomic",
    "properties": {
        "apiVersion": _TEXT, "kind": _TEXT, "name": _TEXT, "uid": _TEXT,
        "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"},
    },
}  # fmt: skip
OBJECT_META: Schema = {
    "type": "object",
    "properties": {
        "annotations": _TEXTS,
        "creationTimestamp": _TEXT,
        "deletionGracePeriodSeconds": {"type": "integer"},
        "deletionTimestamp": _TEXT,
        "finalizers": {
            "type": "array", "items": _TEXT,
            "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge",
        },
        "generateName": _TEXT,
        "generation": {"type": "integer"},
        "labels": _TEXTS,
        "managedFields": {
            "type": "array", "x-kubernetes-list-type": "atomic",
            "items": {
                "type": "object",
                "properties": {
                    "apiVersion": _TEXT, "fieldsType": _TEXT, "manager": _TEXT, "operation": _TEXT,
                    "subresource": _TEXT, "time": _TEXT,
                    "fieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
        },
        "name": _TEXT,
        "namespace": _TEXT,
        "ownerReferences": {
            "type": "array", "items": _OWNER,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid",
        },
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "uid": _TEXT,
    },
}  # fmt: skip
"""meta/v1 ObjectMeta; every kind has it, whatever its own schema says about `metadata`."""


def whole_schema(schema: Schema) -> Schema:
    """Return the schema of an object with the metadata and type fields that every object has."""
    own = schema.get("properties") or {}
    properties = {**own, "apiVersion": _TEXT, "kind": _TEXT, "metadata": OBJECT_META}
    return {**schema, "type": "object", "properties": properties}


def is_untyped(schema: Schema) -> bool:
    """Whether a schema leaves open what it holds."""
    return "type" not in schema and not schema.get("x-kubernetes-int-or-string")


def is_leaf(schema: Schema, value: Any) -> bool:
    """Whether a value is owned as one whole."""
    if isinstance(value, dict):
        return schema.get("x-kubernetes-map-type") == "atomic"
    if isinstance(value, list):
        return list_keys(schema) is None
    return True


def is_declared(schema: Schema, name: str) -> bool:
    """Whether a field has a schema of its own by its name."""
    return name in (schema.get("properties") or {})


def field_schema(schema: Schema, name: str) -> Schema | None:
    """Return the schema of one field; None where the schema knows no such field."""
    properties = schema.get("properties") or {}
    if name in properties:
        found: Schema = properties[name]
        return found
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        return values
    if values is True or is_untyped(schema) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return UNTYPED
    return None


def item_schema(schema: Schema) -> Schema:
    """Return the schema of a list's items."""
    found: Schema = schema.get("items") or UNTYPED
    return found


def list_keys(schema: Schema) -> tuple[str, ...] | None:
    """Return the fields that tell items apart: none of them for a set, None for a leaf."""
    kind = schema.get("x-kubernetes-list-type")
    if kind == "map":
        return tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if kind == "set":
        return ()
    if kind is None and str(schema.get("x-kubernetes-patch-strategy", "")).startswith("merge"):
        key = schema.get("x-kubernetes-patch-merge-key")
        return (str(key),) if key else ()
    return None


def item_element(schema: Schema, item: Any) -> str:
    """Return the path element of an item. Raises ValueError, worded as Kubernetes does."""
    keys = list_keys(schema)
    return _keyed_element(schema, keys, item) if keys else _set_element(item)


def _set_element(item: Any) -> str:
    if isinstance(item, dict):
        raise _unkeyed("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise _unkeyed("not supported: associative list with lists as elements")
    if item is None:
        raise _unkeyed("associative list without keys has an element that's an explicit null")
    return value_element(item)


def _keyed_element(schema: Schema, keys: tuple[str, ...], item: Any) -> str:
    if item is None:
        raise _unkeyed("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise _unkeyed("associative list with keys may not have non-map elements")
    found: dict[str, Any] = {}
    for key in keys:
        default = (field_schema(item_schema(schema), key) or {}).get("default")
        if key in item or default is not None:
            found[key] = item.get(key, default)
    if not found:
        listed = "[" + " ".join(f'"{key}"' for key in keys) + "]"
        raise ValueError(
            f"associative list with keys has an element that omits all key fields {listed} (and "
            "doesn't have default values for any key fields)"
        )
    return key_element(found)


def _unkeyed(why: str) -> ValueError:
    # A value that came from outside, never a mistake in a call: no TypeError.
    return ValueError(why)
