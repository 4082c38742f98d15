"""The bytes of a request's body -> one JSON tree, within fixed bounds; nothing else is constructed.

JSON is read by the standard library with what it is lenient about taken away: NaN, duplicate keys,
depth. YAML goes through the reader of manifests.
"""

from __future__ import annotations

import json
from typing import Any

from casemate.api.documents import read_documents
from casemate.apiserver.protobuf import PROTOBUF, read_protobuf
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError, bad_request

# kube-apiserver's own bound.
LARGEST_BODY_BYTES = 3 * 1024 * 1024
# Deeper than any kind here, far from the interpreter's own limit.
DEEPEST = 200
_YAML_TYPES = frozenset({"application/yaml", "application/apply-patch+yaml"})
_JSON_TYPES = frozenset({
    "application/json", "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json",
})  # fmt: skip


def media_type(content_type: str) -> str:
    """Return the type without its parameters; an absent one is JSON, as for kube-apiserver."""
    return content_type.partition(";")[0].strip().lower() or "application/json"


def read_tree(body: bytes, content_type: str) -> Tree:
    """Read an object. Raises ApiError 400, 413 or 415."""
    found = read_value(body, content_type)
    if not isinstance(found, dict):
        raise bad_request("the body of the request is no object")
    return found


def read_value(body: bytes, content_type: str) -> Any:
    """Read any JSON value (a JSON patch is a list). Raises ApiError 400, 413 or 415."""
    if len(body) > LARGEST_BODY_BYTES:
        raise too_large()
    kind = media_type(content_type)
    if kind in _JSON_TYPES:
        return _json(body)
    if kind == PROTOBUF:
        return read_protobuf(body)
    if kind in _YAML_TYPES:
        return _json(body) if body.lstrip()[:1] == b"{" else _yaml(body)
    listed = "application/json, application/yaml"
    raise ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + listed,
    )


def too_large() -> ApiError:
    """413."""
    return ApiError(
        413, "RequestEntityTooLarge", f"Request entity too large: limit is {LARGEST_BODY_BYTES}"
    )


def _json(body: bytes) -> Any:
    try:
        value = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        # The text of the error can quote the body, which may hold a secret.
        where = f" at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        why = str(error) if isinstance(error, _Doubt) else f"unreadable JSON{where}"
        raise bad_request(why) from None
    if _deeper_than(value, DEEPEST):
        raise bad_request(f"the body is nested deeper than {DEEPEST} levels")
    return value


def _yaml(body: bytes) -> Any:
    read = read_documents(body, "body")
    if read.violations:
        raise bad_request(f"unreadable YAML: {read.violations[0].message}")
    if len(read.documents) != 1:
        raise bad_request(f"the body holds {len(read.documents)} documents instead of one")
    return read.documents[0].tree


class _Doubt(ValueError):
    """JSON that two readers may understand differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        # ATTACK: of two equal keys one reader takes the first, another the last.
        # tests/unit/apiserver/test_body.py
        raise _Doubt("a key of the body is given twice")
    return tree


def _no_constant(_name: str) -> Any:
    raise _Doubt("NaN and Infinity are no JSON")


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            child
            for one in layer
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        if not layer:
            return False
    return True
