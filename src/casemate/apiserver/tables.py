"""Objects as the table that `kubectl get` prints: the server decides columns and cells.

Source: meta.k8s.io/v1 Table; kube-apiserver's printers and the table of custom resources, 1.36.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from casemate.apiserver.ages import age, moment
from casemate.apiserver.core_printers import PRINTERS, Printer
from casemate.apiserver.core_schemas import META, description
from casemate.apiserver.json_path import first
from casemate.apiserver.resource import Column, Resource, Tree
from casemate.apiserver.status_error import bad_request

_AGE = Column("Age", "date", ".metadata.creationTimestamp")
_INCLUDED: dict[str, Callable[[Tree], Tree | None]] = {
    "None": lambda _tree: None,
    "Object": lambda tree: tree,
    "Metadata": lambda tree: {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": tree.get("metadata", {}),
    },
}


def table(
    resource: Resource,
    trees: Sequence[Tree],
    *,
    list_metadata: Tree,
    include_object: str = "Metadata",
    now: str,
) -> Tree:
    """Return a Table; `now` is RFC 3339. Raises ApiError 400 for an unknown `include_object`."""
    included = _INCLUDED.get(include_object or "Metadata")
    if included is None:
        shown = json.dumps(include_object)
        raise bad_request(f"unrecognized includeObject value: {shown}")
    at = moment(now)
    if at is None:
        raise ValueError(now)
    printer = _printer(resource)
    rows = []
    for tree in trees:
        row: Tree = {"cells": printer.cells(tree, at)}
        conditions = printer.conditions(tree) if printer.conditions else None
        if conditions:
            row["conditions"] = conditions
        rows.append(row | {"object": included(tree)})
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": [_definition(column) for column in printer.columns],
        "rows": rows,
    }


def _definition(column: Column) -> Tree:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _printer(resource: Resource) -> Printer:
    if resource.model is None and not resource.columns:
        printer = PRINTERS.get((resource.group, resource.plural))
        return printer() if printer else _without_printer()
    return _by_columns(resource.columns or (_AGE,))


def _name_column() -> Column:
    return Column("Name", "string", "", description(f"{META}.ObjectMeta", "name"), "name")


def _without_printer() -> Printer:
    """Return what Kubernetes shows of a kind that has no printer, such as Role."""

    def cells(tree: Tree, _now: datetime) -> list[Any]:
        metadata = tree["metadata"]
        return [metadata.get("name"), metadata.get("creationTimestamp")]

    about = description(f"{META}.ObjectMeta", "creationTimestamp")
    return Printer((_name_column(), Column("Created At", "date", "", about)), cells)


def _by_columns(columns: tuple[Column, ...]) -> Printer:
    def cells(tree: Tree, now: datetime) -> list[Any]:
        return [tree["metadata"].get("name"), *(_cell(one, tree, now) for one in columns)]

    def described(column: Column) -> Column:
        told = f"Custom resource definition column (in JSONPath format): {column.json_path}"
        text = column.description or told
        return Column(column.name, column.type, "", text, column.format, column.priority)

    return Printer((_name_column(), *(described(one) for one in columns)), cells)


def _cell(column: Column, tree: Tree, now: datetime) -> Any:
    """Return one cell; null for what is absent or of another type than the column's."""
    found, value = first(column.json_path, tree)
    if not found:
        return None
    if column.type == "string":
        return _text(value)
    if column.type == "date":
        return age(value, now) if isinstance(value, str) else None
    if isinstance(value, bool):
        return value if column.type == "boolean" else None
    if column.type in {"integer", "number"} and isinstance(value, int | float):
        return int(value) if column.type == "integer" else float(value)
    return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
