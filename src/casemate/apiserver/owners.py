"""Who owns whom: an index over ownerReferences, and what is to be done about one object; pure.

Source: the garbage collector of kube-controller-manager 1.36: an object whose owners are all gone
goes too; `Foreground` waits for dependents that block, `Orphan` frees them first. An owner of a
kind that is not served here is never taken for gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from casemate.apiserver.object_meta import FOREGROUND, ORPHAN, metadata_of
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.store.objects import ObjectKey, StoredObject

Lookup = Callable[[ObjectKey], StoredObject | None]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the object; its owners are gone."""


@dataclass(frozen=True, slots=True)
class DropOwners:
    """Remove these owners (by uid) from the object; others keep it."""

    uids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unblock:
    """Remove this finalizer: what it waited for is done."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class DeleteDependents:
    """Delete these first; the object waits for them."""

    keys: tuple[ObjectKey, ...]


@dataclass(frozen=True, slots=True)
class FreeDependents:
    """Take this owner (by uid) off these objects, then look again."""

    keys: tuple[ObjectKey, ...]
    uid: str


Action = Delete | DropOwners | Unblock | DeleteDependents | FreeDependents | None


class Owners:
    """The index: which objects name an owner's uid."""

    def __init__(self, kinds: Mapping[tuple[str, str], Resource], lookup: Lookup) -> None:
        """`kinds` by (apiVersion, kind)."""
        self._kinds = kinds
        self._lookup = lookup
        self._dependents: dict[str, set[ObjectKey]] = defaultdict(set)
        self._owners: dict[ObjectKey, frozenset[str]] = {}

    def note(self, key: ObjectKey, tree: Tree | None) -> None:
        """Remember an object as it is now; None when it is gone."""
        uids = frozenset(_uid(one) for one in _references(tree)) if tree else frozenset()
        for uid in self._owners.pop(key, frozenset()) - uids:
            self._dependents[uid].discard(key)
            if not self._dependents[uid]:
                del self._dependents[uid]
        for uid in uids:
            self._dependents[uid].add(key)
        if uids:
            self._owners[key] = uids

    def dependents(self, uid: str) -> tuple[ObjectKey, ...]:
        """Return who names this uid as an owner."""
        return tuple(sorted(self._dependents.get(uid, ())))

    def action(self, key: ObjectKey) -> Action:
        """Return the next thing to do about an object, None for nothing."""
        stored = self._lookup(key)
        if stored is None:
            return None
        tree = stored.tree()
        finalizers = metadata_of(tree).get("finalizers") or ()
        if metadata_of(tree).get("deletionTimestamp"):
            if ORPHAN in finalizers:
                held = self.dependents(stored.uid)
                return FreeDependents(held, stored.uid) if held else Unblock(ORPHAN)
            if FOREGROUND in finalizers:
                return self._foreground(stored)
            return None
        return self._orphaned(key, tree)

    def _foreground(self, stored: StoredObject) -> Action:
        held = self.dependents(stored.uid)
        blocking = [key for key in held if self._blocks(key, stored.uid)]
        if not blocking:
            return Unblock(FOREGROUND)
        return DeleteDependents(held)

    def _blocks(self, key: ObjectKey, uid: str) -> bool:
        found = self._lookup(key)
        return found is not None and any(
            one.get("blockOwnerDeletion") is True and _uid(one) == uid
            for one in _references(found.tree())
        )

    def _orphaned(self, key: ObjectKey, tree: Tree) -> Action:
        references = _references(tree)
        if not references:
            return None
        gone = frozenset(_uid(one) for one in references if not self._exists(key, one))
        if not gone:
            return None
        if len(gone) == len({_uid(one) for one in references}):
            return Delete()
        return DropOwners(gone)

    def _exists(self, key: ObjectKey, reference: Tree) -> bool:
        kind = self._kinds.get((str(reference.get("apiVersion")), str(reference.get("kind"))))
        if kind is None or not kind.stored:
            return True
        namespace = key.namespace if kind.namespaced else ""
        owner = self._lookup(
            ObjectKey(kind.group, kind.plural, namespace, str(reference.get("name")))
        )
        return owner is not None and owner.uid == _uid(reference)


def _references(tree: Tree | None) -> tuple[Tree, ...]:
    found = (metadata_of(tree) if tree else {}).get("ownerReferences") or ()
    return tuple(one for one in found if isinstance(one, dict))


def _uid(reference: Tree) -> str:
    return str(reference.get("uid", ""))
