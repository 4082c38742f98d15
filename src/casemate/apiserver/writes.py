"""Create, update, patch and delete: one object at a time, all of it or nothing.

Every change goes the same way: read what is stored, compute what is wanted, check it, write it on
the condition that what was read is still what is stored. Who loses that race starts again, unless
the caller named the version that he saw: then he hears of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from casemate.apiserver.access.attributes import User
from casemate.apiserver.admission import AdmissionCheck, AdmissionRequest, admit
from casemate.apiserver.deletion import removal
from casemate.apiserver.object_meta import (
    before_create,
    before_update,
    has_generation,
    is_finished,
    metadata_of,
    same_object,
)
from casemate.apiserver.patch.managed_fields import Writer, updated
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import (
    ApiError,
    Cause,
    Subject,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
    stale,
)
from casemate.apiserver.store.database import KeyTaken, Stale, Store
from casemate.apiserver.store.objects import ObjectKey, StoredObject
from casemate.apiserver.strategies import finish, prepare
from casemate.apiserver.validation import prune_and_default, update_violations, violations
from casemate.apiserver.write_options import DeleteOptions, WriteOptions

# Five losses in a row against others is what Kubernetes allows a patch before it says so.
_MOST_TRIES = 5
_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Target:
    """Which object, or in which namespace, and by whom."""

    resource: Resource
    namespace: str
    name: str
    user: User
    subresource: str = ""

    @property
    def key(self) -> ObjectKey:
        """Return the object's key in the store."""
        return ObjectKey(self.resource.group, self.resource.plural, self.namespace, self.name)

    @property
    def subject(self) -> Subject:
        """Return how errors name it."""
        return Subject(self.resource.group, self.resource.plural, self.name)


@dataclass(frozen=True, slots=True)
class Written:
    """The object as it is stored now (or would be, for a dry run)."""

    tree: Tree
    created: bool = False
    deleted: bool = False
    warnings: tuple[str, ...] = ()


Change = Callable[[Tree], Tree]
"""The object as stored -> as wanted; gets a copy that it may change."""


class Writes:
    """The writing verbs over one store."""

    def __init__(
        self, store: Store, checks: Sequence[AdmissionCheck], now: Callable[[], str]
    ) -> None:
        """`now` gives RFC 3339 with whole seconds."""
        self._store = store
        self._checks = tuple(checks)
        self._now = now

    async def create(self, target: Target, tree: Tree, options: WriteOptions) -> Written:
        """Store a new object. Raises ApiError."""
        tree, warnings = self._decoded(target.resource, tree, options)
        _check_identity(target, tree)
        generated = not metadata_of(tree).get("name")
        for _ in range(_MOST_NAMES if generated else 1):
            wanted = copy.deepcopy(tree)
            before_create(target.resource, wanted, target.namespace, self._now())
            prepare(target.resource, None, wanted, target.subresource)
            named = _named(target, str(metadata_of(wanted)["name"]))
            wanted = self._owned(named, None, wanted, options)
            finish(target.resource, wanted)
            self._check(named, None, wanted)
            if options.dry_run:
                if self._store.get(named.key) is not None:
                    raise already_exists(named.subject)
                return Written(wanted, created=True, warnings=warnings)
            try:
                stored = await self._store.create(named.key, wanted)
            except KeyTaken:
                continue
            return Written(stored.tree(), created=True, warnings=warnings)
        raise already_exists(named.subject)

    async def update(self, target: Target, tree: Tree, options: WriteOptions) -> Written:
        """Replace an object. Raises ApiError."""
        tree, warnings = self._decoded(target.resource, tree, options)
        _check_identity(target, tree)
        if target.resource.model is not None and not metadata_of(tree).get("resourceVersion"):
            cause = Cause("FieldValueInvalid", "Invalid value: 0: must be specified for an update",
                          "metadata.resourceVersion")  # fmt: skip
            if self._store.get(target.key) is not None:
                raise invalid(target.subject, (cause,), kind=target.resource.kind)

        def change(stored: Tree) -> Tree:
            wanted, there = metadata_of(tree).get("uid"), metadata_of(stored).get("uid")
            if wanted and wanted != there:
                raise _uid_conflict(target, str(wanted), str(there))
            return copy.deepcopy(tree)

        written = await self.change(target, change, options)
        return Written(written.tree, deleted=written.deleted, warnings=warnings)

    async def change(self, target: Target, change: Change, options: WriteOptions) -> Written:
        """Compute an object from what is stored, and store it. Raises ApiError."""
        return await self._try(target, change, options, owned=True)

    async def apply(self, target: Target, change: Change, options: WriteOptions) -> Written:
        """Like `change`, for a change that sets managedFields itself (server-side apply)."""
        return await self._try(target, change, options, owned=False)

    async def create_applied(self, target: Target, tree: Tree, options: WriteOptions) -> Written:
        """Store an object that server-side apply made. Raises KeyTaken when one came first."""
        tree, warnings = self._decoded(target.resource, tree, options)
        _check_identity(target, tree)
        managers = metadata_of(tree).get("managedFields")
        before_create(target.resource, tree, target.namespace, self._now())
        prepare(target.resource, None, tree, target.subresource)
        if managers:
            metadata_of(tree)["managedFields"] = managers
        finish(target.resource, tree)
        self._check(target, None, tree)
        if options.dry_run:
            return Written(tree, created=True, warnings=warnings)
        stored = await self._store.create(target.key, tree)
        return Written(stored.tree(), created=True, warnings=warnings)

    async def delete(self, target: Target, options: DeleteOptions) -> Written:
        """Delete an object, or mark it while finalizers hold it. Raises ApiError."""
        for _ in range(_MOST_TRIES):
            stored = self._store.get(target.key)
            if stored is None:
                raise not_found(target.subject)
            _check_preconditions(target, stored, options)
            tree = stored.tree()
            self._check(target, tree, None)
            wanted = removal(target.resource, tree, options.propagation, self._now())
            gone = is_finished(wanted)
            if options.dry_run or (not gone and same_object(wanted, stored.tree())):
                return Written(wanted, deleted=gone)
            try:
                if gone:
                    await self._store.delete(
                        target.key, expected=stored.resource_version, tree=wanted
                    )
                    return Written(wanted, deleted=True)
                after = await self._store.replace(
                    target.key, wanted, expected=stored.resource_version
                )
                return Written(after.tree())
            except Stale:
                continue
        raise stale(target.subject)

    async def _try(
        self, target: Target, change: Change, options: WriteOptions, *, owned: bool
    ) -> Written:
        warnings: tuple[str, ...] = ()
        for _ in range(_MOST_TRIES):
            stored = self._store.get(target.key)
            if stored is None:
                raise not_found(target.subject)
            before = stored.tree()
            wanted = change(stored.tree())
            seen = metadata_of(wanted).get("resourceVersion")
            if seen and str(seen) != str(stored.resource_version):
                raise stale(target.subject)
            wanted, warnings = self._decoded(target.resource, wanted, options)
            _check_identity(target, wanted, stored)
            before_update(target.resource, before, wanted, target.subresource)
            prepare(target.resource, before, wanted, target.subresource)
            if owned:
                wanted = self._owned(target, before, wanted, options)
            finish(target.resource, wanted)
            self._check(target, before, wanted)
            gone = is_finished(wanted)
            if options.dry_run or same_object(before, wanted):
                tree = before if not options.dry_run else wanted
                return Written(tree, deleted=gone, warnings=warnings)
            try:
                return await self._store_change(target, wanted, stored, warnings)
            except Stale:
                if seen and not _unchanged(seen, before):
                    raise stale(target.subject) from None
        raise stale(target.subject)

    async def _store_change(
        self, target: Target, wanted: Tree, stored: StoredObject, warnings: tuple[str, ...]
    ) -> Written:
        expected = stored.resource_version
        if is_finished(wanted):
            last = await self._store.delete(target.key, expected=expected, tree=wanted)
            return Written(last.tree(), deleted=True, warnings=warnings)
        after = await self._store.replace(target.key, wanted, expected=expected)
        return Written(after.tree(), warnings=warnings)

    def _decoded(
        self, resource: Resource, tree: Tree, options: WriteOptions
    ) -> tuple[Tree, tuple[str, ...]]:
        strict = options.field_validation == "Strict"
        tree, unknown = prune_and_default(resource, tree, strict=strict)
        if unknown and options.field_validation == "Warn":
            return tree, tuple(f'unknown field "{path}"' for path in unknown)
        return tree, ()

    def _owned(
        self, target: Target, before: Tree | None, wanted: Tree, options: WriteOptions
    ) -> Tree:
        return updated(
            target.resource.schema,
            before,
            wanted,
            Writer(options.manager, target.subresource, target.resource.api_version, self._now()),
        )

    def _check(self, target: Target, old: Tree | None, new: Tree | None) -> None:
        if new is not None:
            causes = violations(target.resource, new)
            if old is not None:
                causes = (*causes, *update_violations(target.resource, old, new))
            if causes:
                raise invalid(target.subject, causes, kind=target.resource.kind)
        operation = "delete" if new is None else "create" if old is None else "update"
        request = AdmissionRequest(
            operation, target.resource, target.namespace, target.name, target.subresource,
            target.user, new, old,
        )  # fmt: skip
        admit(self._checks, request)


def _named(target: Target, name: str) -> Target:
    return Target(target.resource, target.namespace, name, target.user, target.subresource)


def _unchanged(seen: object, before: Tree) -> bool:
    """Whether the resourceVersion of a change is only the one it was handed (a patch without)."""
    return seen == metadata_of(before).get("resourceVersion")


def _check_identity(target: Target, tree: Tree, stored: StoredObject | None = None) -> None:
    """Refuse a body that is about another object than the path. Raises ApiError 400 or 422."""
    metadata = metadata_of(tree)
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if target.name and name and name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
    if target.name and not name:
        raise nameless(target.name)
    if target.resource.namespaced and namespace and namespace != target.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if stored is not None and metadata.get("uid") and metadata["uid"] != stored.uid:
        cause = Cause("FieldValueInvalid",
                      f"Invalid value: {json.dumps(metadata['uid'])}: field is immutable",
                      "metadata.uid")  # fmt: skip
        raise invalid(target.subject, (cause,), kind=target.resource.kind)


def nameless(name: str) -> ApiError:
    """400: an object without the name that its path has."""
    return bad_request(
        f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
    )


def _check_preconditions(target: Target, stored: StoredObject, options: DeleteOptions) -> None:
    if options.uid is not None and options.uid != stored.uid:
        raise _uid_conflict(target, options.uid, stored.uid)
    wanted = options.resource_version
    if wanted is not None and wanted != str(stored.resource_version):
        raise conflict(
            target.subject,
            f"the ResourceVersion in the precondition ({wanted}) does not match the "
            f"ResourceVersion in record ({stored.resource_version}). The object might have been "
            "modified",
        )


def _uid_conflict(target: Target, wanted: str, stored: str) -> Exception:
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {stored}"
    return conflict(target.subject, why)


__all__ = ["Change", "Target", "Writes", "Written", "has_generation", "nameless"]
