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
    return _merge_object(whole_schema(schema), copy.deepcopy(tree), patch)


def _merge_object(schema: Schema, found: Tree, patch: Tree) -> Tree:
    if _DIRECTIVE in patch:
        if patch[_DIRECTIVE] == "replace":
            return {key: copy.deepcopy(one) for key, one in patch.items() if key != _DIRECTIVE}
        if patch[_DIRECTIVE] == "delete":
            return {}
        raise _unknown_directive()
    result = _retained(found, patch)
    ordered = [key.removeprefix(_ORDER) for key in patch if key.startswith(_ORDER)]
    for name in ordered:
        _check_order(schema, name, patch)
    for key, value in patch.items():
        if key.startswith(_DELETE_VALUES):
            name = key.removeprefix(_DELETE_VALUES)
            result[name] = _without(result.get(name), _list_of(key, value))
        elif not key.startswith("$"):
            _merge_field(schema, result, key, value)
    for name in ordered:
        _put_in_order(schema, found, result, name, patch[_ORDER + name])
    return result


def _merge_field(schema: Schema, result: Tree, key: str, value: Any) -> None:
    below = field_schema(schema, key) or UNTYPED
    there = result.get(key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict) and isinstance(there, dict):
        if "replace" in _strategies(below):
            result[key] = copy.deepcopy(value)
        else:
            result[key] = _merge_object(below, there, value)
    elif isinstance(value, list) and isinstance(there, list):
        if "merge" in _strategies(below):
            result[key] = _merge_list(below, there, value)
        else:
            result[key] = copy.deepcopy(value)
    else:
        taken = _as_new(value)
        result.pop(key, None)
        if taken is not _NOTHING:
            result[key] = taken


_NOTHING = object()


def _as_new(value: Any) -> Any:
    """Return what a patch says where nothing is yet: no nulls, no directives."""
    if isinstance(value, list):
        taken = (_as_new(item) for item in value)
        return [item for item in taken if item is not _NOTHING]
    if not isinstance(value, dict):
        return value
    if _DIRECTIVE in value:
        return _NOTHING
    fields = {key: _as_new(child) for key, child in value.items() if child is not None}
    return {key: child for key, child in fields.items() if child is not _NOTHING}


def _unknown_directive() -> ApiError:
    return ApiError(500, "", "unknown patch type in the value of $patch")


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
    if any(not isinstance(item, dict) or key not in item for item in [*patch, *found]):
        raise _no_key(key)
    for item in patch:
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
    elif _DIRECTIVE in item:
        raise _unknown_directive()
    elif places:
        kept[places[0]] = _merge_object(item_schema(schema), kept[places[0]], item)
    else:
        kept.append(copy.deepcopy(item))


def _plain_merge(found: list[Any], patch: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for value in [*found, *patch]:
        if not any(same_value(value, one) for one in merged):
            merged.append(value)
    return merged


def _no_key(key: str) -> ApiError:
    # Kubernetes calls this its own fault and repeats the item, which may hold what is secret.
    return ApiError(500, "", f"map does not contain declared merge key: {key}")


def _retained(found: Tree, patch: Tree) -> Tree:
    if _RETAIN not in patch:
        return dict(found)
    kept = patch[_RETAIN]
    named = {key for key, value in patch.items() if not key.startswith("$") and value is not None}
    if not isinstance(kept, list) or any(name not in kept for name in named):
        raise bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in found.items() if key in kept}


def _without(values: Any, removed: list[Any]) -> list[Any]:
    return [
        value
        for value in (values if isinstance(values, list) else ())
        if not any(same_value(value, gone) for gone in removed)
    ]


def _check_order(schema: Schema, name: str, patch: Tree) -> None:
    """Refuse an order that the patch's own items do not follow. Raises ApiError 400 or 500."""
    order, items = _list_of(_ORDER + name, patch[_ORDER + name]), patch.get(name)
    if items is not None and not isinstance(items, list):
        raise bad_request("invalid patch format of setElementOrder list")
    named = _naming(schema, name)
    ours = [
        named(item)
        for item in items or ()
        if not (isinstance(item, dict) and _DIRECTIVE in item)
    ]  # fmt: skip
    if order and ours:
        places = iter([named(item) for item in order])
        if not all(any(same_value(one, place) for place in places) for one in ours):
            text = "The order in patch list doesn't match $setElementOrder list"
            raise ApiError(500, "", text)


def _naming(schema: Schema, name: str) -> _Name:
    key = _merge_key(field_schema(schema, name) or UNTYPED)

    def named(item: Any) -> Any:
        return item.get(key) if key is not None and isinstance(item, dict) else item

    return named


def _put_in_order(
    schema: Schema, before: Tree, after: Tree, name: str, order: list[Any]
) -> None:  # fmt: skip
    """Put the items that an order names in it; those that only the server has keep their places."""
    values, there = after.get(name), before.get(name)
    if isinstance(values, list):
        named = _naming(schema, name)
        wanted = [named(item) for item in order]
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


def _list_of(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(f"invalid patch format of {key.partition('/')[0]}")
    return value
