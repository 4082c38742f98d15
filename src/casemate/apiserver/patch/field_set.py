"""Sets of fields as managedFields keeps them (`fieldsV1`), with the algebra that ownership needs.

A path element is its own text in fieldsV1: `f:name`, `k:{"name":"x"}`, `v:"x"`. A path may be a
member without what lies below it, and the other way round: an owner of `f:spec` owns nothing in it.
Source: sigs.k8s.io/structured-merge-diff v6, fieldpath.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str, ...]
_KINDS = ("f:", "k:", "v:", "i:")


@dataclass(slots=True)
class FieldSet:
    """`members` are in the set; `children` hold what lies below, whether or not a member."""

    members: set[str] = field(default_factory=set)
    children: dict[str, FieldSet] = field(default_factory=dict)

    @classmethod
    def of(cls, *paths: Path) -> FieldSet:
        """Return a set of these paths."""
        found = cls()
        for path in paths:
            found.add(path)
        return found

    def add(self, path: Path) -> None:
        """Put a path in; the whole object (an empty path) is nobody's."""
        if not path:
            return
        node = self
        for element in path[:-1]:
            node = node.children.setdefault(element, FieldSet())
        node.members.add(path[-1])

    def has(self, path: Path) -> bool:
        """Whether the very path is a member."""
        node = self
        for element in path[:-1]:
            if element not in node.children:
                return False
            node = node.children[element]
        return bool(path) and path[-1] in node.members

    def below(self, element: str) -> FieldSet:
        """Return what lies below one element."""
        return self.children.get(element) or FieldSet()

    def __bool__(self) -> bool:
        """Whether anything is in it."""
        return bool(self.members) or any(self.children.values())

    def __or__(self, other: FieldSet) -> FieldSet:
        """Return the union."""
        children = dict(self.children)
        for element, node in other.children.items():
            children[element] = children[element] | node if element in children else node
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: FieldSet) -> FieldSet:
        """Return the intersection."""
        return FieldSet(
            self.members & other.members,
            _filled({
                element: node & other.children[element]
                for element, node in self.children.items()
                if element in other.children
            }),
        )  # fmt: skip

    def __sub__(self, other: FieldSet) -> FieldSet:
        """Return the difference, path by path: without `a`, `a.b` stays."""
        return FieldSet(
            self.members - other.members,
            _filled({
                element: node - other.children[element] if element in other.children else node
                for element, node in self.children.items()
            }),
        )  # fmt: skip

    def without_trees(self, other: FieldSet) -> FieldSet:
        """Return the difference where a removed path takes all below with it."""
        return FieldSet(
            self.members - other.members,
            _filled({
                element: node.without_trees(other.below(element))
                for element, node in self.children.items()
                if element not in other.members
            }),
        )  # fmt: skip

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        """Yield every member, those of one level before those below, in Kubernetes' order."""
        for element in sorted(self.members, key=_order):
            yield (*prefix, element)
        for element in sorted(self.children, key=_order):
            yield from self.children[element].paths((*prefix, element))

    def wire(self) -> dict[str, Any]:
        """Return the fieldsV1 object."""
        found: dict[str, Any] = {}
        for element in sorted(self.members | self.children.keys(), key=_order):
            below = self.children[element].wire() if element in self.children else {}
            own: dict[str, Any] = {".": {}} if below and element in self.members else {}
            found[element] = own | below
        return found


def read_field_set(wire: Any) -> FieldSet:
    """Read a fieldsV1 object. Raises ValueError."""
    if not isinstance(wire, dict):
        raise ValueError("fieldsV1 is no object")  # noqa: TRY004  # untrusted input, not a bug
    found = FieldSet()
    for element, below in wire.items():
        if element == ".":
            continue
        if element[1:2] != ":":
            raise ValueError("a key of fieldsV1 is no path element")
        if element[:2] not in _KINDS:
            continue
        node = read_field_set(below)
        if not node or "." in below:
            found.members.add(_canonical(element))
        if node:
            found.children[_canonical(element)] = node
    return found


def name_element(name: str) -> str:
    """Return the element of a field."""
    return f"f:{name}"


def key_element(keys: dict[str, Any]) -> str:
    """Return the element of an item that is told apart by some of its fields."""
    return "k:" + _compact(dict(sorted(keys.items())))


def value_element(value: Any) -> str:
    """Return the element of a value in a set."""
    return "v:" + _compact(value)


def path_text(path: Path) -> str:
    """Write a path as kubectl shows it: .spec.containers[name="app"].image."""
    return "".join(element_text(element) for element in path)


def element_text(element: str) -> str:
    """Write one element."""
    kind, text = element[:2], element[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "k:":
        keys = json.loads(text)
        return "[" + ",".join(f"{name}={_compact(value)}" for name, value in keys.items()) + "]"
    return f"[={text}]" if kind == "v:" else f"[{text}]"


def _filled(children: dict[str, FieldSet]) -> dict[str, FieldSet]:
    return {element: node for element, node in children.items() if node}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _canonical(element: str) -> str:
    """Write keys and values the one way that they are compared in. Raises ValueError."""
    kind, text = element[:2], element[2:]
    if kind == "k:":
        keys = json.loads(text)
        if not isinstance(keys, dict):
            raise ValueError("a key of fieldsV1 is no object")
        return key_element(keys)
    if kind == "v:":
        return value_element(json.loads(text))
    if kind == "i:":
        return f"i:{int(text)}"
    return element


def _order(element: str) -> tuple[int, str]:
    return _KINDS.index(element[:2]), element[2:]
