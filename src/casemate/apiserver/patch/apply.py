"""Server-side apply: a manager says all that it wants, and owns exactly that.

What it said before and says no more goes away, unless somebody else owns it too. What another
manager owns and has at another value is a conflict, unless forced.
Source: sigs.k8s.io/structured-merge-diff v6, merge/update.go; k8s.io/apimachinery managedfields.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from casemate.apiserver.patch.field_set import FieldSet, name_element, path_text
from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.patch.managed_fields import (
    APPLY,
    UPDATE,
    Managed,
    Owned,
    Owner,
    Writer,
    conflicts,
    read_managed,
    reconcile,
    record_update,
    set_managed,
    strip,
    take,
    unmanaged,
)
from casemate.apiserver.patch.typed_schema import Schema, whole_schema
from casemate.apiserver.patch.typed_value import (
    compare,
    faults,
    fields_of,
    merge,
    remove,
    with_named_fields,
)
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError, Cause, bad_request

_BEFORE = "before-first-apply"
_KUBECTL = "kubectl"
_TYPE_FIELDS = ("apiVersion", "kind")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LARGEST_ANNOTATIONS = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Application:
    """One apply, with everything that does not change while it is computed."""

    schema: Schema
    writer: Writer
    reset: FieldSet


def apply(
    schema: Schema,
    stored: Tree | None,
    applied: Tree,
    writer: Writer,
    *,
    force: bool = False,
    reset: Iterable[str] = (),
) -> Tree:
    """Return the object with `applied` in it, and its owners. Raises ApiError 400, 409 or 500.

    `stored` is None for an object that is not there yet; `reset` names the top-level fields that
    this door cannot write, and whose owners stay as they are.
    """
    whole = whole_schema(schema)
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    _check(whole, applied, "patch")
    if stored is not None:
        _check(whole, stored, "live", repeats=True)
    live: Tree = stored or {key: applied[key] for key in _TYPE_FIELDS}
    managed = _managed(whole, live, stored, writer)
    unwritten = FieldSet.of(*((name_element(name),) for name in reset))
    application = _Application(whole, writer, unwritten)
    outcome = _apply(application, live, applied, managed, force=force)
    if isinstance(outcome, dict):
        return _noted(outcome, applied, writer.manager)
    if writer.manager == _KUBECTL:
        outcome = _without_last_applied(whole, live, writer.api_version, outcome)
        if not outcome:
            forced = _apply(application, live, applied, managed, force=True)
            if isinstance(forced, dict):
                return _noted(forced, applied, writer.manager)
    raise _conflict(outcome)


_Conflicts = list[tuple[Owner, FieldSet]]


def _apply(
    application: _Application, live: Tree, applied: Tree, managed: Managed, *, force: bool
) -> Tree | _Conflicts:
    """Return the new object, or what stands against it. Leaves its arguments as they are."""
    schema, writer = application.schema, application.writer
    owner = writer.owner(APPLY)
    managed = managed.copied()
    reconcile(schema, managed)
    last = managed.owned.get(owner)
    fields = fields_of(schema, applied).without_trees(application.reset)
    managed.owned[owner] = Owned(fields, writer.api_version)
    live = unmanaged(live)
    merged = merge(schema, live, applied)
    if last is not None and last.fields:
        merged = _pruned(schema, merged, managed, last.fields)
    change = compare(schema, live, merged).without(application.reset)
    against = conflicts(managed, change, owner)
    if against and not force:
        return sorted(against.items(), key=lambda item: item[0])
    take(managed, change, against, owner)
    strip(managed, owner)
    if not same_value(live, merged):
        managed.times[owner] = writer.now
    set_managed(merged, managed)
    result: Tree = merged
    return result


def _pruned(schema: Schema, merged: Tree, managed: Managed, last: FieldSet) -> Tree:
    """Take out what the applier owned before, and put back what anybody owns now."""
    named = with_named_fields(schema, last)
    pruned = remove(schema, merged, named)
    everybody = FieldSet()
    for owned in managed.owned.values():
        everybody = everybody | owned.fields
    there = with_named_fields(schema, fields_of(schema, merged))
    kept = with_named_fields(schema, fields_of(schema, pruned))
    pruned = remove(schema, merged, there - (kept | with_named_fields(schema, everybody)))
    # What hangs below a removed field without ever being the applier's stays.
    kept = with_named_fields(schema, fields_of(schema, pruned))
    result: Tree = remove(schema, merged, (there - kept) & named)
    return result


def _managed(schema: Schema, live: Tree, stored: Tree | None, writer: Writer) -> Managed:
    try:
        managed = read_managed(live)
    except ValueError as error:
        raise ApiError(500, "", f"failed to decode managed fields: {error}") from None
    if not managed.owned and stored is not None:
        # All that is there belongs to somebody: nobody who applies first takes it in silence.
        before = replace(writer, manager=_BEFORE).owner(UPDATE)
        empty: Tree = {key: live[key] for key in _TYPE_FIELDS if key in live}
        record_update(schema, empty, live, managed, before, writer.now)
    return managed


def _check(schema: Schema, applied: Tree, what: str, *, repeats: bool = False) -> None:
    found = list(faults(schema, applied, repeats=repeats))
    if not found:
        return
    metadata = applied.get("metadata") or {}
    group, _, version = str(applied.get("apiVersion", "")).rpartition("/")
    named = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    kind = f"{group}/{version}, Kind={applied.get('kind')}"
    listed = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
    raise ApiError(500, "", f"failed to create typed {what} object ({named}; {kind}): {listed}")


def _conflict(against: _Conflicts) -> ApiError:
    found = [(owner, path_text(path)) for owner, fields in against for path in fields.paths()]
    causes = [
        Cause("FieldManagerConflict", f"conflict with {_owner_text(owner)}", path)
        for owner, path in found
    ]
    if len(found) == 1:
        owner, path = found[0]
        text = f"1 conflict: conflict with {_owner_text(owner)}: {path}"
    else:
        lines = []
        for owner, fields in against:
            lines.append(f"conflicts with {_owner_text(owner)}:")
            lines.extend(f"- {path_text(path)}" for path in fields.paths())
        text = f"{len(found)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", f"Apply failed with {text}", causes=causes)


def _owner_text(owner: Owner) -> str:
    text = json.dumps(owner.manager, ensure_ascii=False)
    if owner.subresource:
        text += f" with subresource {json.dumps(owner.subresource)}"
    return f"{text} using {owner.api_version}" if owner.operation == UPDATE else text


def _without_last_applied(
    schema: Schema, live: Tree, api_version: str, against: _Conflicts
) -> _Conflicts:
    """Drop conflicts with what this user's own client-side apply set before, and none since."""
    written = _annotations(live).get(LAST_APPLIED)
    try:
        last: Any = json.loads(written) if isinstance(written, str) else None
        if not isinstance(last, dict) or last.get("apiVersion") != api_version:
            return against
        change = compare(schema, last, live)
        own = fields_of(schema, last) - change.modified - change.added - change.removed
    except (ValueError, RecursionError):
        # ATTACK: an annotation is a text of 256 KiB, deep enough to exhaust a stack.
        # tests/unit/apiserver/patch/test_apply.py::test_kubectl_takes_nothing_over_without_a_record
        return against
    left = ((owner, fields - own) for owner, fields in against)
    return [(owner, fields) for owner, fields in left if fields]


def _noted(tree: Tree, applied: Tree, manager: str) -> Tree:
    """Keep the annotation of client-side apply true, so that kubectl can go back to it."""
    annotations = _annotations(tree)
    if manager != _KUBECTL or not annotations.get(LAST_APPLIED):
        return tree
    noted = copy.deepcopy(applied)
    _annotations(noted).pop(LAST_APPLIED, None)
    text = json.dumps(noted, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    rest = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in rest.items())
    fits = size + len(LAST_APPLIED) + len(text.encode()) <= _LARGEST_ANNOTATIONS
    tree["metadata"]["annotations"] = rest | ({LAST_APPLIED: text} if fits else {})
    return tree


def _annotations(tree: Tree) -> dict[str, Any]:
    metadata = tree.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}
