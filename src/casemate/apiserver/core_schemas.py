"""Schemas of the Kubernetes kinds that are served here, as Kubernetes publishes them.

The data beside this module holds unchanged definitions (scripts/core_schemas.py); from them come
structural schemas, for patches and validation, and the OpenAPI documents. Read once, when asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_REFERENCE = "#/components/schemas/"
_INT_OR_STRING = {"x-kubernetes-int-or-string": True}
_KEPT = (
    "description", "type", "format", "enum", "required", "nullable", "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy", "x-kubernetes-unions",
)  # fmt: skip


@cache
def definitions() -> Mapping[str, Any]:
    """Return every published definition by its name; not to be changed."""
    text = files("casemate.apiserver").joinpath("core_schemas.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)["schemas"]
    return found


@cache
def structural(name: str) -> Mapping[str, Any]:
    """Return a definition with its references written out and `metadata` as a plain object.

    Equal parts are one object in memory: a schema is read, never changed.
    """
    schema = dict(_written_out(name))
    properties = dict(schema.get("properties", {}))
    if "metadata" in properties:
        properties["metadata"] = {"type": "object"}
        schema["properties"] = properties
    schema["required"] = [
        one for one in schema.get("required", ()) if one not in {"apiVersion", "kind", "metadata"}
    ]
    if not schema["required"]:
        del schema["required"]
    return schema


def description(name: str, field: str) -> str:
    """Return what Kubernetes says about a field of a definition."""
    return str(definitions()[name]["properties"][field].get("description", ""))


@cache
def _written_out(name: str) -> dict[str, Any]:
    return _structural(definitions()[name])


def _structural(node: Mapping[str, Any]) -> dict[str, Any]:
    reference = _reference(node)
    if reference is not None:
        # What stands beside a reference is about this field: it wins.
        return _written_out(reference) | {key: node[key] for key in _KEPT if key in node}
    schema = {key: node[key] for key in _KEPT if key in node}
    if "oneOf" in node:
        return _INT_OR_STRING | {key: schema[key] for key in ("description",) if key in schema}
    # Published defaults of empty texts and objects are how Go writes absent values, not defaults.
    if node.get("default") not in (None, "", {}, 0, False):
        schema["default"] = node["default"]
    if "items" in node:
        schema["items"] = _structural(node["items"])
    if "properties" in node:
        schema["properties"] = {
            key: _structural(child) for key, child in node["properties"].items()
        }
    elif isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"])
    elif schema.get("type", "object") == "object":
        schema["type"] = "object"
        schema["x-kubernetes-preserve-unknown-fields"] = True
    return schema


def _reference(node: Mapping[str, Any]) -> str | None:
    alternatives = node.get("allOf", ())
    target = node.get("$ref") or (alternatives[0].get("$ref") if len(alternatives) == 1 else None)
    return target.removeprefix(_REFERENCE) if isinstance(target, str) else None
