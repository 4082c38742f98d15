"""Whether an object may be stored: unknown fields, schema, metadata, and its kind's own rules.

Every broken rule comes back at once, as causes of one answer. For our own kinds the types of
`casemate.api` have the last word; what the schema said already is not said twice.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from casemate.apiserver.patch.typed_schema import Schema
from casemate.apiserver.pruning import pruned_and_defaulted
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.schema_rules import required, schema_causes
from casemate.apiserver.status_error import ApiError, Cause, bad_request

MOST_CAUSES = 100
_FOUND = {
    "an object": '"object"',
    "a list": '"array"',
    "a value that is not shown": '"<value omitted>"',
}


def prune_and_default(
    resource: Resource, tree: Tree, *, strict: bool
) -> tuple[Tree, tuple[str, ...]]:
    """Return the object without unknown fields and with defaults, and the paths that are unknown.

    Raises ApiError 400 for unknown fields when `strict`, and for a built-in kind whose fields have
    types that Kubernetes could not decode.
    """
    found, unknown = pruned_and_defaulted(resource.schema, tree)
    if strict and unknown:
        listed = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise _undecoded(resource, f"strict decoding error: {listed}")
    if resource.model is None:
        wrong = next((cause for cause in _type_causes(resource, found)), None)
        if wrong is not None:
            raise _undecoded(resource, f"json: cannot unmarshal field {wrong.field}: {_why(wrong)}")
        broken = undecodable(resource, found)
        if broken is not None:
            raise _undecoded(resource, broken)
    default_core_fields(resource, found)
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
    if not any(cause.reason == "FieldValueTypeInvalid" for cause in broken):
        found.extend(cel_causes(resource.schema, _body(tree)))
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


def _undecoded(resource: Resource, why: str) -> ApiError:
    kind = resource.kind
    return bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {why}'
    )


def _type_causes(resource: Resource, tree: Tree) -> Iterator[Cause]:
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
    return {name: value for name, value in tree.items() if name != "metadata"}


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
