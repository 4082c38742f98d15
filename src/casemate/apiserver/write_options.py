"""The query of a write -> its options; every unknown value is refused with the allowed ones.

Source: meta/v1 CreateOptions, UpdateOptions, PatchOptions and DeleteOptions of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError, Cause, Subject, bad_request, invalid

_MAX_MANAGER_CHARS = 128
_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE = frozenset({"", "0", "f", "F", "false", "False", "FALSE"})
_FIELD_VALIDATIONS = ("Ignore", "Warn", "Strict")
_PROPAGATIONS = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How an object is to be written."""

    manager: str
    """Who owns the written fields in managedFields; never empty."""
    dry_run: bool = False
    force: bool = False
    """Apply only: take fields over from other managers."""
    field_validation: str = "Warn"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How an object is to be deleted."""

    dry_run: bool = False
    propagation: str = "Background"
    uid: str | None = None
    resource_version: str | None = None


def write_options(query: Mapping[str, str], user_agent: str, kind: str) -> WriteOptions:
    """Read the options of a create, update or patch. Raises ApiError 400 or 422."""
    manager = query.get("fieldManager", "")
    causes = []
    if len(manager) > _MAX_MANAGER_CHARS:
        causes.append(
            Cause("FieldValueTooLong", "Too long: may not be more than 128 bytes", "fieldManager")
        )
    elif not manager.isprintable():
        causes.append(
            Cause("FieldValueInvalid", "Invalid value: should only contain printable characters",
                  "fieldManager")
        )  # fmt: skip
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in _FIELD_VALIDATIONS:
        causes.append(_unsupported("fieldValidation", validation, _FIELD_VALIDATIONS))
    causes.extend(_dry_run_causes(query.get("dryRun", "")))
    if causes:
        raise invalid(Subject("meta.k8s.io", kind), causes, kind=kind)
    return WriteOptions(
        manager or user_agent.partition("/")[0][:_MAX_MANAGER_CHARS] or "unknown",
        bool(query.get("dryRun")),
        flag(query, "force"),
        validation,
    )


def delete_options(query: Mapping[str, str], body: Tree | None) -> DeleteOptions:
    """Read DeleteOptions of the body, then of the query. Raises ApiError 400 or 422."""
    given: Mapping[str, Any] = body or {}
    if given and given.get("kind") not in {None, "DeleteOptions"}:
        raise bad_request(f"cannot handle a {given.get('kind')} as DeleteOptions")
    listed = given.get("dryRun")
    dry = query.get("dryRun", "") or (listed[0] if isinstance(listed, list) and listed else "")
    propagation = given.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphan = given.get("orphanDependents")
    causes = _dry_run_causes(str(dry))
    if propagation and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        text = f'Invalid value: "{str(propagation)[:64]}": {why}'
        causes.append(Cause("FieldValueInvalid", text, "propagationPolicy"))
    if not propagation:
        propagation = "Orphan" if orphan is True else "Background"
    preconditions = given.get("preconditions")
    wanted: Mapping[str, Any] = preconditions if isinstance(preconditions, dict) else {}
    if propagation not in _PROPAGATIONS:
        causes.append(_unsupported("propagationPolicy", str(propagation), _PROPAGATIONS))
    if causes:
        raise invalid(Subject("meta.k8s.io", "DeleteOptions"), causes, kind="DeleteOptions")
    return DeleteOptions(
        bool(dry), str(propagation), wanted.get("uid"), wanted.get("resourceVersion")
    )


def flag(query: Mapping[str, str], name: str) -> bool:
    """Read a boolean as Kubernetes does. Raises ApiError 400."""
    value = query.get(name, "")
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise bad_request(f"query parameter {name} is no boolean")


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """Read a number >= 0. Raises ApiError 400."""
    value = query.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 18):  # noqa: PLR2004
        raise ApiError(400, "BadRequest", f"query parameter {name} is no whole number")
    return int(value)


def _dry_run_causes(value: str) -> list[Cause]:
    return [] if value in {"", "All"} else [_unsupported("dryRun", value, ("All",))]


def _unsupported(field: str, value: str, allowed: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{word}"' for word in allowed)
    shown = value[:64]
    text = f'Unsupported value: "{shown}": supported values: {listed}'
    return Cause("FieldValueNotSupported", text, field)
