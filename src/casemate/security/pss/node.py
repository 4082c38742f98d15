"""A cursor over untrusted JSON that remembers every malformed place instead of raising.

Reading follows the API server's decoder: absent and null are the same, a value of another type is
an error. The one difference is that reading goes on, so that all that is wrong is told at once.
Nothing here recurses: a document that contains itself (YAML anchors can) is read like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from casemate.security.pss.wording import quoted

# Bits beside the sign.
INT32 = 31
INT64 = 63


def type_name(value: object) -> str:
    """Name the JSON type of a value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else "no JSON value"


@dataclass(frozen=True, slots=True)
class Node:
    """An object at a path of the document; `problems` is shared by all cursors of one reading."""

    value: Mapping[Any, Any]
    path: str = ""
    problems: list[str] = field(default_factory=list)

    def at(self, key: str) -> str:
        """Return the path of a field of this object."""
        return f"{self.path}.{key}" if self.path else key

    def complain(self, path: str, found: object, expected: str) -> None:
        """Remember that a place does not have the type the API gives it."""
        self.problems.append(f"{path} is {type_name(found)}, expected {expected}")

    def flag(self, key: str) -> bool | None:
        """Read a boolean; None when absent or malformed."""
        found = self.value.get(key)
        if found is None or isinstance(found, bool):
            return found
        self.complain(self.at(key), found, "true or false")
        return None

    def text(self, key: str) -> str | None:
        """Read a string; None when absent or malformed."""
        found = self.value.get(key)
        if found is None or isinstance(found, str):
            return found
        self.complain(self.at(key), found, "text")
        return None

    def number(self, key: str, *, bits: int) -> int | None:
        """Read a whole number of so many bits beside its sign; None when absent or malformed."""
        found = self.value.get(key)
        if found is None:
            return None
        if isinstance(found, int) and not isinstance(found, bool):
            # ATTACK: 2**32 reads as 0 after a silent wrap somewhere down the line.
            # tests/unit/security/pss/test_node.py
            if -(1 << bits) <= found < 1 << bits:
                return found
            self.problems.append(f"{self.at(key)} is out of range")
            return None
        self.complain(self.at(key), found, "a whole number")
        return None

    def child(self, key: str) -> Node | None:
        """Read an object; None when absent or malformed."""
        found = self.value.get(key)
        if found is None:
            return None
        if isinstance(found, Mapping):
            return Node(found, self.at(key), self.problems)
        self.complain(self.at(key), found, "an object")
        return None

    def child_or_empty(self, key: str) -> Node:
        """Read an object; one without fields when absent or malformed."""
        return self.child(key) or Node({}, self.at(key), self.problems)

    def children(self, key: str) -> tuple[Node, ...]:
        """Read a list of objects, leaving out (and remembering) the malformed ones."""
        nodes = []
        for index, item in enumerate(self._items(key)):
            path = f"{self.at(key)}[{index}]"
            if isinstance(item, Mapping):
                nodes.append(Node(item, path, self.problems))
            else:
                self.complain(path, item, "an object")
        return tuple(nodes)

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of strings, leaving out (and remembering) the malformed ones."""
        texts = []
        for index, item in enumerate(self._items(key)):
            if isinstance(item, str):
                texts.append(item)
            else:
                self.complain(f"{self.at(key)}[{index}]", item, "text")
        return tuple(texts)

    def text_map(self, key: str) -> dict[str, str]:
        """Read an object whose values are strings, as labels and annotations are."""
        node = self.child(key)
        texts: dict[str, str] = {}
        for name, item in () if node is None else node.value.items():
            if not isinstance(name, str):
                self.complain(f"a key of {self.at(key)}", name, "text")
            elif isinstance(item, str):
                texts[name] = item
            elif item is None:
                texts[name] = ""  # as the API server decodes it
            else:
                self.complain(f"{self.at(key)}[{quoted(name)}]", item, "text")
        return texts

    def _items(self, key: str) -> list[Any] | tuple[Any, ...]:
        found = self.value.get(key)
        if found is None:
            return ()
        if isinstance(found, list | tuple):
            return found
        self.complain(self.at(key), found, "a list")
        return ()
