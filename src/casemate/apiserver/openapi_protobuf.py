"""The definitions of an OpenAPI v2 document in gnostic's protobuf, which kubectl asks for by name.

kubectl checks a file with a `List` in it by these and by nothing else, so without them such a file
cannot be applied. Only what that check reads is written: types, references, descriptions and
extensions of the definitions; paths are in the JSON form.
Source: github.com/google/gnostic-models v0.7.0, openapiv2/OpenAPIv2.proto.
"""

from __future__ import annotations

import json
from typing import Any

from casemate.apiserver.resource import Tree

PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# What kubectl asks for; an @ is no part of a media type, so the answer is named with a dot.
ASKED_V2 = frozenset({PROTOBUF_V2, PROTOBUF_V2.replace("v2.v1", "v2@v1")})
_BYTES = 2
_CONTINUED, _SEVEN_BITS = 0x80, 0x7F


def protobuf_v2(document: Tree) -> bytes:
    """Write a document; its definitions must be structural schemas and references."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    definitions = _named_schemas(document["definitions"])
    return _text(1, document["swagger"]) + _part(2, info) + _part(8, b"") + _part(9, definitions)


def _named_schemas(schemas: Tree) -> bytes:
    return b"".join(
        _part(1, _text(1, name) + _part(2, _schema(schema))) for name, schema in schemas.items()
    )


def _schema(schema: Tree) -> bytes:
    if "$ref" in schema:
        return _text(1, schema["$ref"])
    parts = [_text(2, schema.get("format", "")), _text(4, schema.get("description", ""))]
    parts += [_text(19, name) for name in schema.get("required", ())]
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        parts.append(_part(21, _part(1, _schema(additional))))
    if "type" in schema:
        parts.append(_part(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_part(23, _part(1, _schema(schema["items"]))))
    if "properties" in schema:
        parts.append(_part(25, _named_schemas(schema["properties"])))
    parts += [_extension(name, value) for name, value in schema.items() if name.startswith("x-")]
    return b"".join(parts)


def _extension(name: str, value: Any) -> bytes:
    # JSON is YAML.
    return _part(31, _text(1, name) + _part(2, _text(2, json.dumps(value))))


def _text(number: int, text: str) -> bytes:
    return _part(number, text.encode()) if text else b""


def _part(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > _SEVEN_BITS:
        written.append(number & _SEVEN_BITS | _CONTINUED)
        number >>= 7
    written.append(number)
    return bytes(written)
