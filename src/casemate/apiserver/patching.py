"""The body of a PATCH -> the change that it asks for, by its media type.

Source: RFC 6902, RFC 7386 and Kubernetes' own two: strategic merge (built-in kinds only) and apply.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from casemate.apiserver.body import media_type, read_value
from casemate.apiserver.patch.apply import apply
from casemate.apiserver.patch.json_patch import json_patch
from casemate.apiserver.patch.managed_fields import Writer
from casemate.apiserver.patch.merge_patch import merge_patch
from casemate.apiserver.patch.strategic import strategic_merge
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import (
    ApiError,
    Cause,
    Subject,
    bad_request,
    invalid,
    not_found,
)
from casemate.apiserver.store.database import KeyTaken
from casemate.apiserver.validation import Undecodable, prune_and_default
from casemate.apiserver.write_options import WriteOptions
from casemate.apiserver.writes import Target, Writes, Written, nameless

APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class PatchBody:
    """A patch as it came."""

    body: bytes
    content_type: str


async def patch(
    writes: Writes, target: Target, given: PatchBody, options: WriteOptions, now: str
) -> Written:
    """Apply a patch to one object. Raises ApiError."""
    kind = media_type(given.content_type)
    if kind not in _accepted(target):
        raise ApiError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(_accepted(target)),
        )
    value = read_value(given.body, given.content_type)
    if kind == APPLY:
        return await _apply(writes, target, value, options, now)
    change = _change(kind, target, value)

    def readable(stored: Tree) -> Tree:
        wanted = change(stored)
        _check_type(target, wanted)
        try:
            strict = options.field_validation == "Strict"
            return prune_and_default(target.resource, wanted, strict=strict)[0]
        except Undecodable as error:
            raise _unreadable(error.why) from None

    return await writes.change(target, readable, options)


def check_options(query: Mapping[str, str], kind: str) -> None:
    """Refuse an apply without a field manager, and force without apply. Raises ApiError 422."""
    if kind == APPLY and not query.get("fieldManager"):
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch",
                      "fieldManager")  # fmt: skip
    elif kind != APPLY and "force" in query:
        cause = Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch",
                      "force")  # fmt: skip
    else:
        return
    raise invalid(Subject("meta.k8s.io", "PatchOptions"), (cause,), kind="PatchOptions")


def _check_type(target: Target, wanted: Tree) -> None:
    """Refuse a patch that makes something else of an object. Raises ApiError 400 or 422."""
    resource, version, kind = target.resource, wanted.get("apiVersion"), wanted.get("kind")
    if any(found is not None and not isinstance(found, str) for found in (version, kind)):
        raise _unreadable("couldn't get version/kind")
    if resource.model is None:
        if not version or not kind:
            # What has no type is nothing, and nothing has no name.
            raise nameless(target.name)
        if (version, kind) != (resource.api_version, resource.kind):
            raise _unreadable(f'no kind "{kind}" is registered for version "{version}"')
    if not version or not kind:
        raise _unreadable("Object 'apiVersion' or 'Kind' is missing")
    wrong = [
        Cause("FieldValueInvalid", f"Invalid value: {json.dumps(found)}: must be {wanted}", field)
        for field, found, wanted in (
            ("apiVersion", version, resource.api_version),
            ("kind", kind, resource.kind),
        )
        if found != wanted
    ]
    if wrong:
        raise invalid(target.subject, wrong, kind=resource.kind)


def _unreadable(why: str) -> ApiError:
    # Kubernetes repeats the whole patched object here: with a Secret, more than one may read.
    text = f'Invalid value: "<value omitted>": {why}'
    return invalid(Subject(), (Cause("FieldValueInvalid", text, "patch"),), kind="")


def _accepted(target: Target) -> tuple[str, ...]:
    # Kinds of CustomResourceDefinitions have no merge keys: a strategic merge would have to guess.
    if target.resource.model is not None and "." in target.resource.group:
        return (_JSON_PATCH, _MERGE, APPLY)
    return (_JSON_PATCH, _MERGE, _STRATEGIC, APPLY)


def _change(kind: str, target: Target, value: Any) -> Callable[[Tree], Tree]:
    if kind == _JSON_PATCH:
        return lambda stored: json_patch(stored, value)
    if not isinstance(value, dict):
        raise bad_request("a merge patch must be an object")
    if kind == _MERGE:
        return lambda stored: merge_patch(stored, value)
    return lambda stored: strategic_merge(target.resource.schema, stored, value)


async def _apply(
    writes: Writes, target: Target, value: Any, options: WriteOptions, now: str
) -> Written:
    applied = _checked(target, value)
    writer = Writer(options.manager, target.subresource, target.resource.api_version, now)

    def change(stored: Tree | None) -> Tree:
        return apply(
            target.resource.schema,
            stored,
            applied,
            writer,
            force=options.force,
            reset=_reset(target),
        )

    for _ in range(3):
        try:
            return await writes.apply(target, change, options)
        except ApiError as error:
            if error.status != 404 or target.subresource or _names_uid(applied):  # noqa: PLR2004
                raise
        try:
            return await writes.create_applied(target, change(None), options)
        except KeyTaken:
            continue
    raise not_found(target.subject)


def _reset(target: Target) -> tuple[str, ...]:
    """Return the fields that a door does not write: an owner of them would own nothing."""
    if target.subresource == "status":
        return ("metadata", "spec") if "." in target.resource.group else ("spec",)
    return ("status",) if "status" in target.resource.subresources else ()


def _checked(target: Target, value: Any) -> Tree:
    if not isinstance(value, dict):
        raise bad_request("the body of an apply must be an object")
    resource = target.resource
    if value.get("apiVersion") != resource.api_version or value.get("kind") != resource.kind:
        raise bad_request(
            f"the applied object must have apiVersion {resource.api_version} and kind "
            f"{resource.kind}"
        )
    return value


def _names_uid(applied: Tree) -> bool:
    return bool((applied.get("metadata") or {}).get("uid"))
