"""Strategic merge patch for the built-in kinds: lists merge by key; pure.

Source: k8s.io/apimachinery v0.36, pkg/util/strategicpatch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.patch.typed_schema import (
    UNTYPED,
    Schema,
    field_schema,
    item_schema,
    whole_schema,
)
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError, bad_request

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_Name = Callable[[Any], Any]


def strategic_merge(schema: Schema, tree: Tree, patch: Tree) -> Tree:
    """Return `tree` changed by `patch`. Raises ApiError 400 or 422."""
    merged = _merge_object(whole_schema(schema), copy.deepcopy(tree), patch)
    if not isinstance(merged, dict):
        raise bad_request("the patched object is no object")
    return merged


def _merge_object(schema: Schema, found: Tree, patch: Tree) -> Any:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise bad_request(f"Unknown patch type found: {directive}")
    result = _retained(found, patch)
    for key, value in patch.items():
        if key.startswith(_DELETE_VALUES):
            name = key.removeprefix(_DELETE_VALUES)
            result[name] = _without(result.get(name), _list_of(key, value))
        elif not key.startswith("$"):
            _merge_field(schema, result, key, value)
    for key, value in patch.items():
        if key.startswith(_ORDER):
            name = key.removeprefix(_ORDER)
            _put_in_order(schema, found, result, name, _list_of(key, value), patch.get(name))
    return result


def _merge_field(schema: Schema, result: Tree, key: str, value: Any) -> None:
    below = field_schema(schema, key) or UNTYPED
    there = result.get(key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        known = isinstance(there, dict) and "replace" not in _strategies(below)
        result[key] = _merge_object(below, there if known else {}, value)  # type: ignore[arg-type]  # known says it is
    elif isinstance(value, list) and "merge" in _strategies(below):
        result[key] = _merge_list(below, there if isinstance(there, list) else [], value)
    else:
        result[key] = copy.deepcopy(value)


def _strategies(schema: Schema) -> tuple[str, ...]:
    given = schema.get("x-kubernetes-patch-strategy")
    if given is None and schema.get("x-kubernetes-list-type") in {"map", "set"}:
        return ("merge",)
    return tuple(str(given or "").split(","))


def _merge_key(schema: Schema) -> str | None:
    """Return the field that tells items apart; None for a list of plain values."""
    keys = schema.get("x-kubernetes-list-map-keys") or [None]
    found: str | None = schema.get("x-kubernetes-patch-merge-key") or keys[0]
    return found


def _merge_list(schema: Schema, found: list[Any], patch: list[Any]) -> list[Any]:
    """Merge item by item; the patch's items come in its order, the others stay in between."""
    key = _merge_key(schema)
    if key is None:
        merged = _plain_merge(found, patch)
        return _in_order(merged, patch, found, lambda item: item)
    if any(not isinstance(item, dict) for item in patch):
        raise _no_key(key)
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if _DIRECTIVE not in item]
    kept = list(found)
    for item in patch:
        if key not in item:
            raise _no_key(key)
        _merge_item(schema, key, kept, item)
    return _in_order(kept, [item[key] for item in patch], found, lambda item: item.get(key))


def _merge_item(schema: Schema, key: str, kept: list[Any], item: Tree) -> None:
    directive = item.get(_DIRECTIVE)
    places = [
        place
        for place, one in enumerate(kept)
        if isinstance(one, dict) and same_value(one.get(key), item[key])
    ]
    if directive == "delete":
        for place in reversed(places):
            del kept[place]
    elif directive not in {None, "merge"}:
        raise bad_request(f"Unknown patch type found: {directive}")
    elif places:
        kept[places[0]] = _merge_object(item_schema(schema), kept[places[0]], item)
    else:
        kept.append(_merge_object(item_schema(schema), {}, item))


def _plain_merge(found: list[Any], patch: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for value in [*found, *patch]:
        if not any(same_value(value, one) for one in merged):
            merged.append(value)
    return merged


def _no_key(key: str) -> ApiError:
    # Kubernetes knows the key and does not say it; a patch's author needs it.
    text = f"map does not contain declared merge key: {key}"
    return ApiError(422, "Invalid", text)


def _retained(found: Tree, patch: Tree) -> Tree:
    if _RETAIN not in patch:
        return dict(found)
    kept = _list_of(_RETAIN, patch[_RETAIN])
    named = {key for key, value in patch.items() if not key.startswith("$") and value is not None}
    if not named <= {key for key in kept if isinstance(key, str)}:
        raise bad_request(
            "The patch format of retainKeys list is wrong: it must hold every field of the patch"
        )
    return {key: value for key, value in found.items() if key in kept}


def _without(values: Any, removed: list[Any]) -> list[Any]:
    return [
        value
        for value in (values if isinstance(values, list) else ())
        if not any(same_value(value, gone) for gone in removed)
    ]


def _put_in_order(
    schema: Schema, before: Tree, after: Tree, name: str, order: list[Any], patched: Any
) -> None:
    """Put the patch's items in its order; those that only the server has keep their places."""
    values = after.get(name)
    if not isinstance(values, list):
        return
    key = _merge_key(field_schema(schema, name) or UNTYPED)

    def named(item: Any) -> Any:
        return item.get(key) if key is not None and isinstance(item, dict) else item

    wanted = [named(item) for item in order]
    given = [named(item) for item in patched] if isinstance(patched, list) else []
    if any(_place(wanted, one) < 0 for one in given if not _is_deletion(patched, key, one)):
        raise bad_request(
            "The patch format of setElementOrder list is wrong: it must hold the patch's items"
        )
    there = before.get(name)
    after[name] = _in_order(values, wanted, there if isinstance(there, list) else [], named)


def _in_order(values: list[Any], wanted: list[Any], before: list[Any], named: _Name) -> list[Any]:
    ours = sorted(
        (item for item in values if _place(wanted, named(item)) >= 0),
        key=lambda item: _place(wanted, named(item)),
    )
    theirs = [item for item in values if _place(wanted, named(item)) < 0]
    return _woven(theirs, ours, [named(item) for item in before], named)


def _woven(theirs: list[Any], ours: list[Any], server: list[Any], named: _Name) -> list[Any]:
    woven: list[Any] = []
    left, right = list(theirs), list(ours)
    while left and right:
        one, other = _place(server, named(left[0])), _place(server, named(right[0]))
        first = left if 0 <= one < other else right
        woven.append(first.pop(0))
    return woven + left + right


def _place(values: list[Any], wanted: Any) -> int:
    return next((place for place, value in enumerate(values) if same_value(value, wanted)), -1)


def _is_deletion(patched: Any, key: str | None, name: Any) -> bool:
    return any(
        isinstance(item, dict) and _DIRECTIVE in item and same_value(item.get(key or ""), name)
        for item in patched
    )


def _list_of(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(f"The patch format of {key.partition('/')[0]} is wrong: it is no list")
    return value
