"""pydantic's JSON schema -> the structural schema that Kubernetes accepts in a CRD.

References are written out, `null` alternatives dropped, constants become one-value enums, and what
a structural schema forbids is left to our own types. Kubernetes prunes unknown fields by default;
clients that validate strictly refuse them, as our parser does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

_KEPT = (
    "description", "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "minItems", "maxItems", "anyOf",
)  # fmt: skip
_EXTENSION = "x-kubernetes-"
# The API server owns the schema of these two.
_METADATA = {"type": "object"}


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of one kind; equal types give equal schemas."""
    whole = model.model_json_schema(by_alias=True)
    schema = _structural(whole, whole.get("$defs", {}))
    schema["properties"]["metadata"] = dict(_METADATA)
    for name in ("apiVersion", "kind"):
        schema["properties"][name] = {"type": "string"}
    schema["required"] = [name for name in schema["required"] if name not in {"apiVersion", "kind"}]
    return schema


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _resolved(node, definitions)
    if "const" in node:
        node = {**node, "enum": [node["const"]]}
    result = {key: node[key] for key in _KEPT if key in node}
    result.update({key: value for key, value in node.items() if key.startswith(_EXTENSION)})
    if "description" in result:
        result["description"] = " ".join(str(result["description"]).split())
    if node.get("default") is not None:
        result["default"] = _without_null(node["default"])
    if result.get("x-kubernetes-int-or-string"):
        return result
    result.pop("anyOf", None)
    if node.get("type") == "object":
        _object(node, result, definitions)
    elif node.get("type") == "array":
        result["items"] = _structural(node["items"], definitions)
    return result


def _without_null(value: object) -> object:
    """Drop absent fields of a default: kube-apiserver refuses a CRD that defaults one to null."""
    if not isinstance(value, dict):
        return value
    return {key: _without_null(one) for key, one in value.items() if one is not None}


def _object(node: dict[str, Any], result: dict[str, Any], definitions: dict[str, Any]) -> None:
    properties = node.get("properties")
    if properties:
        result["properties"] = {
            name: _structural(child, definitions) for name, child in properties.items()
        }
        if node.get("required"):
            result["required"] = list(node["required"])
        return
    values = node.get("additionalProperties") or next(
        iter(node.get("patternProperties", {}).values()), None
    )
    if isinstance(values, dict) and values:
        result["additionalProperties"] = _structural(values, definitions)
    else:
        result["x-kubernetes-preserve-unknown-fields"] = True


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference and drop `null` until a plain schema is left; nearer keys win."""
    while True:
        alternatives = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
        if "$ref" in node:
            target = definitions[node["$ref"].rpartition("/")[2]]
            node = target | {key: value for key, value in node.items() if key != "$ref"}
        elif len(alternatives) == 1:
            outer = {key: value for key, value in node.items() if key != "anyOf"}
            node = alternatives[0] | outer
        else:
            return node
