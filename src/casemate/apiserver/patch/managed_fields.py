"""Who owns which field of an object (`metadata.managedFields`), kept up to date by every write.

An update makes its writer the owner of what it changed, and takes that from all others. An owner is
a manager, an operation, a subresource and, for updates, an API version.
Source: k8s.io/apimachinery v0.36, pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from casemate.apiserver.patch.field_set import FieldSet, name_element, read_field_set
from casemate.apiserver.patch.typed_schema import Schema, whole_schema
from casemate.apiserver.patch.typed_value import Comparison, compare, faults, reconciled
from casemate.apiserver.resource import Tree

APPLY, UPDATE = "Apply", "Update"
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"
_NOBODYS = FieldSet.of(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", name_element(name))
        for name in (
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
            "generation", "managedFields", "resourceVersion",
        )
    ),
)  # fmt: skip


class Owner(NamedTuple):
    """One owner; `api_version` is empty for appliers: they own across versions."""

    manager: str
    operation: str
    api_version: str
    subresource: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, by which door, in which version, and when."""

    manager: str
    subresource: str
    api_version: str
    now: str

    def owner(self, operation: str) -> Owner:
        """Return the owner that this writer is."""
        version = "" if operation == APPLY else self.api_version
        return Owner(self.manager or "unknown", operation, version, self.subresource)


@dataclass(slots=True)
class Owned:
    """What one owner has."""

    fields: FieldSet
    api_version: str


@dataclass(slots=True)
class Managed:
    """Every owner of one object."""

    owned: dict[Owner, Owned] = field(default_factory=dict)
    times: dict[Owner, str | None] = field(default_factory=dict)

    def copied(self) -> Managed:
        """Return a copy whose owners may change; a set of fields is never changed in place."""
        owned = {owner: Owned(one.fields, one.api_version) for owner, one in self.owned.items()}
        return Managed(owned, dict(self.times))

    def wire(self) -> list[Tree]:
        """Return managedFields in Kubernetes' order."""
        entries = []
        for owner, owned in self.owned.items():
            entry = {"manager": owner.manager, "operation": owner.operation}
            entry["apiVersion"] = owned.api_version
            time = self.times.get(owner)
            rest: Tree = {"time": time} if time else {}
            rest |= {"fieldsType": "FieldsV1", "fieldsV1": owned.fields.wire()}
            if owner.subresource:
                rest["subresource"] = owner.subresource
            entries.append(entry | rest)
        return sorted(entries, key=_entry_order)


def updated(schema: Schema, before: Tree | None, wanted: Tree, writer: Writer) -> Tree:
    """Return `wanted` with the managedFields that this write leaves; changes `wanted`."""
    managed = _of_write(before, wanted, writer.subresource)
    set_managed(wanted, None)
    if not managed.owned and before is not None:
        # Nobody was followed on this object; a single update would claim what others wrote.
        return wanted
    owner, whole = writer.owner(UPDATE), whole_schema(schema)
    if next(faults(whole, wanted, repeats=True), None) is not None:
        # Items that cannot be told apart have no owners, and a guess would be worse than none.
        return wanted
    record_update(whole, before or {}, wanted, managed, owner, writer.now)
    set_managed(wanted, managed)
    return wanted


def record_update(
    schema: Schema, before: Tree, wanted: Tree, managed: Managed, owner: Owner, now: str
) -> None:
    """Give `owner` what changed from `before` to `wanted`, and take it from the others."""
    reconcile(schema, managed)
    change = compare(schema, unmanaged(before), unmanaged(wanted))
    take(managed, change, conflicts(managed, change))
    gained = (change.modified | change.added) - _NOBODYS
    if gained:
        had = managed.owned.get(owner)
        managed.owned[owner] = Owned(gained | had.fields if had else gained, owner.api_version)
        managed.times[owner] = now
    _cap(managed)


def conflicts(
    managed: Managed, change: Comparison, besides: Owner | None = None
) -> dict[Owner, FieldSet]:
    """Return what a change sets that others own."""
    touched = change.modified | change.added
    found = {
        owner: owned.fields & touched
        for owner, owned in managed.owned.items()
        if owner != besides
    }  # fmt: skip
    return {owner: fields for owner, fields in found.items() if fields}


def take(
    managed: Managed,
    change: Comparison,
    conflicting: Mapping[Owner, FieldSet],
    besides: Owner | None = None,
) -> None:
    """Take from every other owner what was changed or removed; who owns nothing is dropped."""
    for owner, owned in list(managed.owned.items()):
        if owner != besides:
            left = owned.fields - conflicting.get(owner, FieldSet()) - change.removed
            owned.fields = left
        if not owned.fields:
            del managed.owned[owner]


def strip(managed: Managed, owner: Owner) -> None:
    """Take from an owner what is nobody's: names, versions, what the server sets."""
    owned = managed.owned.get(owner)
    if owned is not None:
        owned.fields = owned.fields - _NOBODYS
        if not owned.fields:
            del managed.owned[owner]


def reconcile(schema: Schema, managed: Managed) -> None:
    """Bring every owner's set to the schema of today."""
    for owned in managed.owned.values():
        owned.fields = reconciled(schema, owned.fields)


def read_managed(tree: Tree) -> Managed:
    """Return the owners of an object. Raises ValueError for entries that nobody can read."""
    managed = Managed()
    for entry in (tree.get("metadata") or {}).get("managedFields") or ():
        owner, owned = _read_entry(entry)
        managed.owned[owner] = owned
        managed.times[owner] = entry.get("time")
    return managed


def managed_or_nobody(tree: Tree | None) -> Managed:
    """Return the owners of an object; nobody where the entries cannot be read."""
    try:
        return read_managed(tree or {})
    except ValueError:
        return Managed()


def set_managed(tree: Tree, managed: Managed | None) -> None:
    """Write managedFields, or take them away."""
    metadata = tree.setdefault("metadata", {})
    metadata.pop("managedFields", None)
    if managed is not None and managed.owned:
        metadata["managedFields"] = managed.wire()


def _of_write(before: Tree | None, wanted: Tree, subresource: str) -> Managed:
    """Return the owners that a write starts from: its own when it names them, else the stored."""
    if subresource:
        return managed_or_nobody(before)
    given = (wanted.get("metadata") or {}).get("managedFields")
    if isinstance(given, list) and given in ([], [{}]):
        return Managed()
    named = managed_or_nobody(wanted) if isinstance(given, list) else Managed()
    return named if named.owned else managed_or_nobody(before)


def _read_entry(entry: Any) -> tuple[Owner, Owned]:
    if not isinstance(entry, dict):
        raise ValueError("an entry of managedFields is no object")  # noqa: TRY004
    operation, version = entry.get("operation"), entry.get("apiVersion")
    if operation not in {APPLY, UPDATE}:
        raise ValueError("operation must be `Apply` or `Update`")
    if not version or not isinstance(version, str):
        raise ValueError("apiVersion must not be empty")
    if entry.get("fieldsType") != "FieldsV1":
        raise ValueError("fieldsType must be FieldsV1")
    owner = Owner(
        str(entry.get("manager", "")),
        operation,
        "" if operation == APPLY else version,
        str(entry.get("subresource", "")),
    )
    return owner, Owned(read_field_set(entry.get("fieldsV1") or {}), version)


def _cap(managed: Managed) -> None:
    """Merge the oldest updaters of one API version until there are few enough."""
    updaters = [owner for owner in managed.owned if owner.operation == UPDATE]
    count = len(updaters)
    first: dict[str, Owner] = {}
    for owner in sorted(updaters, key=lambda one: (managed.times.get(one) or "", one)):
        if count <= MOST_UPDATERS:
            return
        version = managed.owned[owner].api_version
        if version not in first:
            first[version] = owner
            continue
        bucket = Owner(ANCIENT, UPDATE, version, "")
        if bucket not in managed.owned:
            managed.owned[bucket] = managed.owned.pop(first[version])
        merged = managed.owned.pop(owner)
        managed.owned[bucket].fields |= merged.fields
        managed.times[bucket] = managed.times.get(owner)
        count -= 1


def unmanaged(tree: Tree) -> Tree:
    """Return an object without its owners; it shares all else."""
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return tree
    rest = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {**tree, "metadata": rest}


def _entry_order(entry: Tree) -> tuple[str, ...]:
    names = ("operation", "time", "manager", "apiVersion", "subresource")
    return tuple(str(entry.get(name, "")) for name in names)


__all__ = [
    "ANCIENT",
    "APPLY",
    "MOST_UPDATERS",
    "UPDATE",
    "Managed",
    "Owned",
    "Owner",
    "Writer",
    "updated",
]
