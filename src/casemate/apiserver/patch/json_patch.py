"""JSON patch, RFC 6902, with the leniency and the bounds of kube-apiserver; pure.

Kubernetes counts negative indexes from the end, lets `replace` set a key that is missing, and takes
null for absent in `test`. Source: gopkg.in/evanphx/json-patch v4.13 and k8s.io/apiserver v0.36.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError, bad_request

MOST_OPERATIONS = 10_000
# As much as a whole request may hold: copies may not make an object larger than it could have come.
MOST_COPIED_BYTES = 3 * 1024 * 1024
_INDEX = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


class _DoesNotApply(Exception):
    """The operation does not fit the document."""


_Parent: TypeAlias = dict[str, Any] | list[Any]


def json_patch(tree: Tree, operations: Any) -> Tree:
    """Return `tree` after every operation, or none. Raises ApiError 400, 413 or 422."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("json: cannot unmarshal value into a JSON patch: a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise ApiError(
            413,
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got "
            f"{len(operations)}",
        )
    document = _Document(copy.deepcopy(tree))
    try:
        for operation in operations:
            document.change(operation)
    except _DoesNotApply:
        # Kubernetes says no more than this; a test that failed is told from nothing else.
        raise ApiError(
            422, "Invalid", "the server rejected our request due to an error in our request"
        ) from None
    if not isinstance(document.root, dict):
        raise bad_request("the patched object is no object")
    return document.root


class _Document:
    """The object while it is patched; `root` may become any container."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copied = 0

    def change(self, operation: dict[str, Any]) -> None:
        """Do one operation. Raises _DoesNotApply."""
        known: dict[Any, Callable[[dict[str, Any]], None]] = {
            "add": self._add,
            "remove": self._remove,
            "replace": self._replace,
            "move": self._move,
            "copy": self._copy,
            "test": self._test,
        }
        name = operation.get("op")
        if not isinstance(name, str) or name not in known:
            raise _DoesNotApply
        known[name](operation)

    def _add(self, operation: dict[str, Any]) -> None:
        self._insert(_pointer(operation, "path"), copy.deepcopy(operation.get("value")))

    def _remove(self, operation: dict[str, Any]) -> None:
        parent, key = self._place(_pointer(operation, "path"))
        if isinstance(parent, list):
            del parent[_index(key, len(parent))]
        elif parent.pop(key, _ABSENT) is _ABSENT:
            raise _DoesNotApply

    def _replace(self, operation: dict[str, Any]) -> None:
        pointer, value = _pointer(operation, "path"), copy.deepcopy(operation.get("value"))
        if pointer == "":
            if not isinstance(value, dict | list):
                raise _DoesNotApply
            self.root = value
            return
        parent, key = self._place(pointer)
        if isinstance(parent, list):
            parent[_index(key, len(parent))] = value
        else:
            parent[key] = value

    def _move(self, operation: dict[str, Any]) -> None:
        source = _pointer(operation, "from")
        value = self._read(source)
        self._remove({"path": source})
        self._insert(_pointer(operation, "path"), value)

    def _copy(self, operation: dict[str, Any]) -> None:
        value = self._read(_pointer(operation, "from"))
        # ATTACK: thirty copies of a list into itself are a gigabyte.
        # tests/unit/apiserver/patch/test_json_patch.py::test_copies_cannot_grow_without_bound
        self._copied += len(json.dumps(value, separators=(",", ":")))
        if self._copied > MOST_COPIED_BYTES:
            raise _DoesNotApply
        self._insert(_pointer(operation, "path"), copy.deepcopy(value))

    def _test(self, operation: dict[str, Any]) -> None:
        pointer = _pointer(operation, "path")
        found = self.root if pointer == "" else self._read(pointer)
        if not same_value(found, operation.get("value")):
            raise _DoesNotApply

    def _insert(self, pointer: str, value: Any) -> None:
        parent, key = self._place(pointer)
        if isinstance(parent, dict):
            parent[key] = value
        elif key == "-":
            parent.append(value)
        else:
            parent.insert(_index(key, len(parent) + 1), value)

    def _read(self, pointer: str) -> Any:
        parent, key = self._place(pointer)
        return _child(parent, key)

    def _place(self, pointer: str) -> tuple[_Parent, str]:
        """Return the container and the last key of a pointer."""
        if not pointer.startswith("/"):
            raise _DoesNotApply
        *steps, last = (
            step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")
        )
        found: Any = self.root
        for step in steps:
            found = _child(found, step)
            if not isinstance(found, dict | list):
                raise _DoesNotApply
        return found, last


_ABSENT = object()


def _pointer(operation: dict[str, Any], name: str) -> str:
    found = operation.get(name)
    if not isinstance(found, str):
        raise _DoesNotApply
    return found


def _child(parent: _Parent, key: str) -> Any:
    """Return what is there; an absent key of an object is null, as Kubernetes reads it."""
    if isinstance(parent, list):
        return parent[_index(key, len(parent))]
    return parent.get(key)


def _index(key: str, length: int) -> int:
    if not _INDEX.fullmatch(key):
        raise _DoesNotApply
    index = int(key)
    if not -length <= index < length:
        raise _DoesNotApply
    return index % length
