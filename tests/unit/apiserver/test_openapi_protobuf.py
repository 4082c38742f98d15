"""OpenAPI v2 in protobuf, read back by a reader that knows nothing but the wire format."""

from __future__ import annotations

import json

from casemate.apiserver.openapi_protobuf import protobuf_v2

DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "Kubernetes", "version": "v"},
    "definitions": {
        "io.test.Thing": {
            "type": "object",
            "description": "d" * 300,
            "required": ["spec"],
            "properties": {
                "spec": {"$ref": "#/definitions/io.test.Spec"},
                "list": {"type": "array", "items": {"type": "integer", "format": "int32"}},
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "x-kubernetes-group-version-kind": [{"group": "", "kind": "Thing", "version": "v1"}],
        }
    },
}


def parts(message: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    while message:
        key, message = number(message)
        size, message = number(message)
        found.setdefault(key >> 3, []).append(message[:size])
        assert key & 7 == 2
        message = message[size:]
    return found


def number(message: bytes) -> tuple[int, bytes]:
    value = shift = 0
    for index, byte in enumerate(message):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, message[index + 1 :]
    raise AssertionError("the number has no end")


def test_a_definition_is_written_with_its_fields_and_extensions():
    document = parts(protobuf_v2(DOCUMENT))
    assert document[1] == [b"2.0"]
    (named,) = parts(document[9][0])[1]
    name, schema = parts(named)[1][0], parts(parts(named)[2][0])
    assert name == b"io.test.Thing"
    assert schema[4] == [b"d" * 300]
    assert schema[19] == [b"spec"]
    assert parts(schema[22][0]) == {1: [b"object"]}
    extension = parts(schema[31][0])
    assert extension[1] == [b"x-kubernetes-group-version-kind"]
    assert json.loads(parts(extension[2][0])[2][0]) == [
        {"group": "", "kind": "Thing", "version": "v1"}
    ]


def test_references_items_and_maps_are_written_where_they_are():
    (named,) = parts(parts(protobuf_v2(DOCUMENT))[9][0])[1]
    properties = {
        parts(one)[1][0]: parts(parts(one)[2][0])
        for one in parts(parts(parts(named)[2][0])[25][0])[1]
    }
    assert properties[b"spec"] == {1: [b"#/definitions/io.test.Spec"]}
    item = parts(parts(properties[b"list"][23][0])[1][0])
    assert (item[2], parts(item[22][0])) == ([b"int32"], {1: [b"integer"]})
    value = parts(parts(properties[b"map"][21][0])[1][0])
    assert parts(value[22][0]) == {1: [b"string"]}
