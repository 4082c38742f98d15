"""Rules in the Common Expression Language: the part of our checks that a plain API server can run.

Each rule repeats one that our own types enforce, so that a Function applied to a cluster is refused
at once; the types remain the authority, for CEL can say less than they can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic.config import JsonDict


def cel(*rules: tuple[str, str]) -> JsonDict:
    """Return the schema extension for pairs of expression and message."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}


def exactly_one_of(*names: str) -> JsonDict:
    """Return the rule that one and only one of these fields is set."""
    count = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)
    return cel((f"{count} == 1", f"set exactly one of {', '.join(names)}"))


def map_list(key: str, *rules: tuple[str, str]) -> JsonDict:
    """Return the extension for a list whose items are told apart by `key`."""
    keyed: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return {**keyed, **cel(*rules)} if rules else keyed
