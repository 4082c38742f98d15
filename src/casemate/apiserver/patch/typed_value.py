"""Objects under a schema: merged, compared, reduced, and turned into the set of their fields; pure.

Source of the behaviour: sigs.k8s.io/structured-merge-diff v6, package typed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from casemate.apiserver.patch.field_set import FieldSet, Path, element_text, name_element
from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.patch.list_merge import merged_order
from casemate.apiserver.patch.typed_schema import (
    UNTYPED,
    Schema,
    field_schema,
    is_declared,
    is_leaf,
    item_element,
    item_schema,
    list_keys,
)


class _Absent:
    """The side of a comparison that has nothing here; JSON's null is a value."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one object differs from another; no path is in two of the sets."""

    removed: FieldSet = field(default_factory=FieldSet)
    modified: FieldSet = field(default_factory=FieldSet)
    added: FieldSet = field(default_factory=FieldSet)

    def without(self, reset: FieldSet) -> Comparison:
        """Return it without fields that this door cannot write."""
        return Comparison(
            self.removed.without_trees(reset),
            self.modified.without_trees(reset),
            self.added.without_trees(reset),
        )


def fields_of(schema: Schema, value: Any) -> FieldSet:
    """Return every field that an object sets."""
    found = FieldSet()
    _collect(schema, value, (), found)
    return found


def _collect(schema: Schema, value: Any, path: Path, found: FieldSet) -> None:
    if is_leaf(schema, value):
        if not (value is None and schema.get("type") in {"object", "array"}):
            found.add(path)
        return
    if isinstance(value, dict):
        for name, child in value.items():
            below = (*path, name_element(name))
            _collect(field_schema(schema, name) or UNTYPED, child, below, found)
            if child is None or child == {} or not is_declared(schema, name):
                found.add(below)
        return
    for element, items in _items(schema, value).items():
        below = (*path, element)
        found.add(below)
        if len(items) == 1:
            _collect(item_schema(schema), items[0], below, found)


def _items(schema: Schema, values: Any) -> dict[str, list[Any]]:
    """Return a list's items by element; several under one only where a stored object repeats."""
    found: dict[str, list[Any]] = {}
    for item in values if isinstance(values, list) else ():
        try:
            found.setdefault(item_element(schema, item), []).append(item)
        except ValueError:
            # A stored object may be older than its schema; an applied one was checked before.
            continue
    return found


def compare(schema: Schema, before: Any, after: Any) -> Comparison:
    """Return what changed from one object to another."""
    found = Comparison()
    _compare(schema, before, after, (), found)
    return found


def _compare(schema: Schema, before: Any, after: Any, path: Path, found: Comparison) -> None:
    if _as_leaf(schema, before, after):
        if before is ABSENT:
            found.added.add(path)
        elif after is ABSENT:
            found.removed.add(path)
        elif not same_value(before, after):
            found.modified.add(path)
        return
    if isinstance(before, dict) or isinstance(after, dict):
        mine = before if isinstance(before, dict) else {}
        theirs = after if isinstance(after, dict) else {}
        for name in {**mine, **theirs}:
            below = (*path, name_element(name))
            _compare(
                field_schema(schema, name) or UNTYPED,
                mine.get(name, ABSENT),
                theirs.get(name, ABSENT),
                below,
                found,
            )
    else:
        _compare_lists(schema, before, after, path, found)
    if before is ABSENT:
        found.added.add(path)
    elif after is ABSENT:
        found.removed.add(path)


def _compare_lists(schema: Schema, before: Any, after: Any, path: Path, found: Comparison) -> None:
    mine, theirs, items = _items(schema, before), _items(schema, after), item_schema(schema)
    for element in {**mine, **theirs}:
        below = (*path, element)
        old, new = mine.get(element, []), theirs.get(element, [])
        if len(old) > 1 and len(new) > 1:
            if not same_value(old, new):
                found.modified.add(below)
        elif len(old) > 1 or len(new) > 1:
            # Items that repeat are owned as one; the single one on the other side is not they.
            if len(old) == 1:
                _compare(items, old[0], ABSENT, below, found)
            if len(new) == 1:
                _compare(items, ABSENT, new[0], below, found)
            (found.removed if len(old) > 1 else found.added).add(below)
        else:
            _compare(items, (old or [ABSENT])[0], (new or [ABSENT])[0], below, found)


def _as_leaf(schema: Schema, before: Any, after: Any) -> bool:
    """Whether two sides are merged as one whole: leaves, other shapes, or both empty."""
    shapes = [value for value in (before, after) if value is not ABSENT and value is not None]
    if any(is_leaf(schema, value) for value in shapes):
        return True
    if len(shapes) == 2 and type(shapes[0]) is not type(shapes[1]):  # noqa: PLR2004
        return True
    return not any(shapes)


def merge(schema: Schema, live: Any, applied: Any) -> Any:
    """Return `live` with everything that `applied` says; ABSENT when neither says anything."""
    if _as_leaf(schema, live, applied):
        return copy.deepcopy(live if applied is ABSENT else applied)
    if isinstance(live, dict) or isinstance(applied, dict):
        mine = live if isinstance(live, dict) else {}
        theirs = applied if isinstance(applied, dict) else {}
        merged = {
            name: merge(
                field_schema(schema, name) or UNTYPED,
                mine.get(name, ABSENT),
                theirs.get(name, ABSENT),
            )
            for name in {**mine, **theirs}
        }
        return {name: value for name, value in merged.items() if value is not ABSENT}
    return _merge_lists(schema, live, applied)


def _merge_lists(schema: Schema, live: Any, applied: Any) -> list[Any]:
    mine = _placed(schema, live)
    theirs = dict(_placed(schema, applied))
    singles: dict[str, Any] = {}
    for element, item in mine:
        # Items that repeat are replaced by the applied one, never merged into it.
        singles[element] = ABSENT if element in singles else item
    items = item_schema(schema)
    found: list[Any] = []
    for element, place in merged_order([element for element, _ in mine], list(theirs)):
        if place is None:
            found.append(merge(items, singles.get(element, ABSENT), theirs[element]))
        else:
            found.append(copy.deepcopy(mine[place][1]))
    return found


def _placed(schema: Schema, values: Any) -> list[tuple[str, Any]]:
    found = []
    for item in values if isinstance(values, list) else ():
        try:
            found.append((item_element(schema, item), item))
        except ValueError:
            continue
    return found


def remove(schema: Schema, value: Any, fields: FieldSet) -> Any:
    """Return a value without some of its fields; what becomes empty inside stays, empty."""
    if not fields or is_leaf(schema, value):
        return value
    if isinstance(value, dict):
        return {
            name: remove(
                field_schema(schema, name) or UNTYPED, child, fields.below(name_element(name))
            )
            for name, child in value.items()
            if name_element(name) not in fields.members
        }
    return [
        remove(item_schema(schema), item, fields.below(element))
        for element, item in _placed(schema, value)
        if element not in fields.members
    ]


def with_named_fields(schema: Schema, fields: FieldSet) -> FieldSet:
    """Return the set with each declared field as a member that has members below it."""
    members = set(fields.members)
    children: dict[str, FieldSet] = {}
    for element, node in fields.children.items():
        below: Schema = UNTYPED
        if element.startswith("f:"):
            name = element[2:]
            if is_declared(schema, name):
                members.add(element)
            below = field_schema(schema, name) or UNTYPED
        elif element.startswith("k:"):
            below = item_schema(schema)
        children[element] = with_named_fields(below, node)
    return FieldSet(members, children)


def reconciled(schema: Schema, fields: FieldSet) -> FieldSet:
    """Return a set as the schema has it now: what became one leaf is owned as a leaf."""
    members, children = set(fields.members), {}
    for element, node in fields.children.items():
        name = element[2:]
        below = field_schema(schema, name) if element.startswith("f:") else item_schema(schema)
        atomic = below is not None and (
            below.get("x-kubernetes-map-type") == "atomic"
            or (below.get("type") == "array" and list_keys(below) is None)
        )
        if atomic:
            members.add(element)
        else:
            children[element] = reconciled(below or UNTYPED, node)
    return FieldSet(members, children)


_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "string"),
    "boolean": ((bool,), "boolean"),
    "integer": ((int, float), "numeric (int or float)"),
    "number": ((int, float), "numeric (int or float)"),
}


def faults(schema: Schema, value: Any, path: str = "", *, repeats: bool = False) -> Iterator[str]:
    """Yield why an object cannot be applied under a schema, worded as Kubernetes does.

    `repeats` lets items of a list be there twice, as a stored object may have them.
    """
    if value is None:
        return
    kind = schema.get("type")
    if kind == "object" or (kind is None and isinstance(value, dict)):
        if not isinstance(value, dict):
            yield f"{path}: expected map, got &{{{_shown(value)}}}"
            return
        for name in sorted(value):
            below = field_schema(schema, name)
            if below is None:
                yield f"{path}.{name}: field not declared in schema"
            else:
                yield from faults(below, value[name], f"{path}.{name}", repeats=repeats)
    elif kind == "array" or (kind is None and isinstance(value, list)):
        if not isinstance(value, list):
            yield f"{path}: expected list, got &{{{_shown(value)}}}"
            return
        yield from _list_faults(schema, value, path, repeats=repeats)
    elif kind in _SCALARS and not schema.get("x-kubernetes-int-or-string"):
        types, word = _SCALARS[kind]
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{path}: expected {word}, got &value.valueUnstructured{{Value:{_shown(value)}}}"


def _list_faults(schema: Schema, values: list[Any], path: str, *, repeats: bool) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(values):
        place = f"[{index}]"
        if list_keys(schema) is not None:
            try:
                element = item_element(schema, item)
            except ValueError as error:
                yield f"{path}: element {index}: {error}"
                return
            place = element_text(element)
            if element in seen and not repeats:
                yield f"{path}: duplicate entries for key {place}"
            seen.add(element)
        yield from faults(item_schema(schema), item, path + place, repeats=repeats)


def _shown(value: Any) -> str:
    """Show a value of a wrong type by its shape only; it may be a secret."""
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "list"}.get(
        type(value), "map"
    )
