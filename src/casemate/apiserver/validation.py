"""Whether an object may be stored: unknown fields, schema, metadata, and its kind's own rules.

Every broken rule comes back at once, as causes of one answer. For our own kinds the types of
`casemate.api` have the last word; what the schema said already is not said twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from casemate.api.manifest import object_violations
from casemate.api.violations import Location, Violation
from casemate.apiserver.cel_rules import cel_causes
from casemate.apiserver.core_rules import (
    core_causes,
    core_update_causes,
    default_core_fields,
    undecodable,
)
from casemate.apiserver.metadata_rules import metadata_causes, metadata_update_causes
from casemate.apiserver.patch.typed_schema import OBJECT_META, Schema
from casemate.apiserver.pruning import pruned_and_defaulted, without_empty
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.schema_rules import required, schema_causes
from casemate.apiserver.status_error import ApiError, Cause

MOST_CAUSES = 100
_FOUND = {
    "an object": '"object"',
    "a list": '"array"',
    "a value that is not shown": '"<value omitted>"',
}


class Undecodable(ApiError):
    """400: what was sent cannot be read as an object of its kind; `why` says it without a name."""

    code: ClassVar[str] = "UndecodableObject"

    def __init__(self, resource: Resource, why: str) -> None:
        kind = resource.kind
        text = f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {why}'
        super().__init__(400, "BadRequest", text)
        self.why = why


def prune_and_default(
    resource: Resource, tree: Tree, *, strict: bool
) -> tuple[Tree, tuple[str, ...]]:
    """Return the object without unknown fields and with defaults, and the paths that are unknown.

    Raises ApiError 400 for unknown fields when `strict`, and for a built-in kind whose fields have
    types that Kubernetes could not decode.
    """
    found, unknown = pruned_and_defaulted(resource.schema, tree, built_in=resource.model is None)
    wrong = next(_type_causes(resource, found), None)
    if wrong is not None:
        raise Undecodable(resource, f"json: cannot unmarshal field {wrong.field}: {_why(wrong)}")
    broken = undecodable(resource, found) if resource.model is None else None
    if broken is not None:
        raise Undecodable(resource, broken)
    if strict and unknown:
        listed = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise Undecodable(resource, f"strict decoding error: {listed}")
    without_empty(resource.schema, found, built_in=resource.model is None)
    default_core_fields(resource, found, tree)
    return found, unknown


def violations(resource: Resource, tree: Tree) -> tuple[Cause, ...]:
    """Return every rule that an object breaks."""
    found = list(metadata_causes(resource, tree.get("metadata")))
    if resource.model is None:
        # Kubernetes' own kinds check in code, not by schema, what must be there.
        found.extend(core_causes(resource, tree))
        seen = {cause.field for cause in found}
        found.extend(
            cause
            for cause in schema_causes(_body_schema(resource), _body(tree))
            if cause.field not in seen and cause.reason != "FieldValueRequired"
        )
        return tuple(found[:MOST_CAUSES])
    broken = list(schema_causes(_body_schema(resource), _body(tree)))
    found.extend(broken)
    found.extend(cel_causes(resource.schema, _body(tree), sound=not broken))
    seen = {cause.field for cause in found}
    for location, violation in object_violations(resource.model, tree):
        if violation.path not in seen and not _said(location, seen):
            found.append(_cause(violation))
    return tuple(found[:MOST_CAUSES])


def update_violations(resource: Resource, old: Tree, new: Tree) -> tuple[Cause, ...]:
    """Return every rule of a change that one object after another breaks."""
    return (
        *metadata_update_causes(old, new),
        *core_update_causes(resource, old, new),
    )


def _type_causes(resource: Resource, tree: Tree) -> Iterator[Cause]:
    """Yield the types that make an object unreadable: all of a built-in kind, else metadata's."""
    yield from schema_causes(OBJECT_META, tree.get("metadata") or {}, "metadata")
    if resource.model is None:
        for cause in schema_causes(_body_schema(resource), _body(tree)):
            if cause.reason == "FieldValueTypeInvalid":
                yield cause


def _why(cause: Cause) -> str:
    return cause.message.partition(" in body ")[2]


def _body_schema(resource: Resource) -> Schema:
    """Return the schema without what metadata rules and the server's own checks cover."""
    schema = resource.schema
    own = {
        name: below
        for name, below in (schema.get("properties") or {}).items()
        if name != "metadata"
    }  # fmt: skip
    needed = [name for name in schema.get("required") or () if name != "metadata"]
    return {**schema, "properties": own, "required": needed}


def _body(tree: Tree) -> Tree:
    # To the built-in kinds a null at the top is nothing, and pruning leaves it nowhere else.
    return {name: value for name, value in tree.items() if name != "metadata" and value is not None}


def _said(location: Location, seen: set[str]) -> bool:
    """Whether something above or below a place was reported: one mistake, one cause."""
    if location[:1] == ("metadata",):
        location = location[:2]
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
        if path in seen:
            return True
    return any(one.startswith((f"{path}.", f"{path}[")) for one in seen)


def _cause(violation: Violation) -> Cause:
    if violation.message == "field is required":
        return required(violation.path)
    found = violation.found or _FOUND["an object"]
    shown = _FOUND.get(found, found)
    allowed = f", allowed: {violation.allowed}" if violation.allowed else ""
    hint = f" (hint: {violation.hint})" if violation.hint else ""
    said = violation.message + allowed + hint
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {said}", violation.path)
