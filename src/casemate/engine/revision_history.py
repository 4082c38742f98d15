"""What ran, as apps/v1 ControllerRevisions of a Function: immutable, numbered, and few.

A revision holds the spec that was accepted and the digests of what it was made of, so that `undo`
is to apply an old spec again. Which of them have served is noted beside them: after a restart the
last good one serves when the newest cannot.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from casemate.api.function import Function
from casemate.api.meta import FunctionRef
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.status_error import ApiError
from casemate.controller.reconciler import MadeRevision
from casemate.controller.stored_function import StoredFunction
from casemate.errors import CasemateError, Unavailable
from casemate.render.labels import function_labels

if TYPE_CHECKING:
    from casemate.engine.api_service import ApiService

KEPT_REVISIONS = 10
SERVED = "casemate.dev/served"
_KIND = "ControllerRevision"
_REVISIONS = GroupResource("apps", "controllerrevisions")
_MANAGER = "casemate-controller"
# Fields that change after the revision was made have managers of their own.
_NUMBERS, _SERVED = "casemate-revision-numbers", "casemate-served"


class RevisionNotRecorded(Unavailable):
    """The API did not take the note of a revision."""

    code = "RevisionNotRecorded"


class RevisionHistory:
    """The local engine's History (see `casemate.controller.reconciler`)."""

    def __init__(self, api: ApiService) -> None:
        self._api = api
        self._served: dict[FunctionRef, str] = {}
        self._names: dict[str, set[str]] | None = None

    async def record(self, function: Function, made: MadeRevision) -> None:
        """Make this revision the newest of its Function. Raises RevisionNotRecorded."""
        try:
            await self._record(function, made)
        except ApiError as error:
            raise RevisionNotRecorded(error.message) from error

    async def served(self, stored: StoredFunction, revision: str) -> None:
        """Note that a revision answers requests; does nothing if that is known."""
        if self._served.get(stored.ref) == revision:
            return
        found = self._api.get(_KIND, stored.ref.namespace, revision)
        if found is None or not _is_of(found, stored.uid):
            return
        self._served[stored.ref] = revision
        if _annotations(found).get(SERVED) == "true":
            return
        try:
            metadata = {"name": revision, "namespace": stored.ref.namespace,
                        "annotations": {SERVED: "true"}}  # fmt: skip
            await self._api.apply(_tree(metadata), _SERVED)
        except CasemateError:
            self._served.pop(stored.ref, None)
            raise

    def forget(self, ref: FunctionRef, uid: str) -> None:
        """Drop what is remembered of a Function that is gone."""
        self._served.pop(ref, None)
        self._index().pop(uid, None)

    def last_good(self, stored: StoredFunction, newest: str = "") -> Function | None:
        """Return the Function as of its newest revision that has served, if that differs."""
        current = self._api.get("Function", stored.ref.namespace, stored.ref.name)
        if current is None:
            return None
        for found in reversed(self._of(stored.ref, stored.uid)):
            spec, served = (found.get("data") or {}).get("spec"), _annotations(found).get(SERVED)
            if served != "true":
                continue
            if found["metadata"]["name"] == newest:
                return None
            if spec == _spec_of(stored):
                continue
            tree = {**current, "spec": spec}
            tree.pop("status", None)
            try:
                return Function.model_validate_json(json.dumps(tree), strict=True)
            except ValidationError:
                continue
        return None

    async def _record(self, function: Function, made: MadeRevision) -> None:
        uid, namespace = function.metadata.uid or "", function.ref.namespace
        held = self._of(function.ref, uid)
        newest = int(held[-1].get("revision", 0)) if held else 0
        name = made.revision.name
        same = next((one for one in held if one["metadata"]["name"] == name), None)
        if same is not None:
            if same is not held[-1]:
                moved = _tree({"name": name, "namespace": namespace})
                await self._api.apply(moved | {"revision": newest + 1}, _NUMBERS)
            return
        stale = self._api.get(_KIND, namespace, name)
        if stale is not None:
            # Of a Function of this name that was deleted; its collection is under way.
            await self._api.delete(_KIND, namespace, name)
        await self._api.create(_revision(function, made, newest + 1))
        self._index().setdefault(uid, set()).add(name)
        await self._trim(function.ref, uid, name)

    async def _trim(self, ref: FunctionRef, uid: str, newest: str) -> None:
        held = self._of(ref, uid)
        needed = {newest, self._served.get(ref, "")}
        droppable = [one for one in held if one["metadata"]["name"] not in needed]
        for one in droppable[: max(0, len(held) - KEPT_REVISIONS)]:
            await self._api.delete(_KIND, ref.namespace, one["metadata"]["name"])

    def _of(self, ref: FunctionRef, uid: str) -> list[dict[str, Any]]:
        """Return the revisions of one Function, oldest first."""
        names = self._index().get(uid, set())
        trees = {name: self._api.get(_KIND, ref.namespace, name) for name in names}
        found = [tree for tree in trees.values() if tree is not None and _is_of(tree, uid)]
        names.intersection_update(one["metadata"]["name"] for one in found)
        return sorted(found, key=lambda one: int(one.get("revision", 0)))

    def _index(self) -> dict[str, set[str]]:
        """Return the names of every Function's revisions by its uid; read once, then kept."""
        if self._names is None:
            self._names = {}
            for stored in self._api.store.list(_REVISIONS).items:
                for owner in stored.tree()["metadata"].get("ownerReferences") or ():
                    self._names.setdefault(str(owner.get("uid")), set()).add(stored.key.name)
        return self._names


def _revision(function: Function, made: MadeRevision, number: int) -> dict[str, Any]:
    digests = made.revision.wire()
    digests.pop("name", None)
    metadata = {
        "name": made.revision.name,
        "namespace": function.ref.namespace,
        "labels": function_labels(function),
        "ownerReferences": [{
            "apiVersion": function.api_version,
            "kind": function.kind,
            "name": function.metadata.name,
            "uid": function.metadata.uid or "",
            "controller": True,
            "blockOwnerDeletion": True,
        }],
    }  # fmt: skip
    data = {"spec": function.spec.wire(), "digests": digests}
    return _tree(metadata) | {"data": data, "revision": number}


def _tree(metadata: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": _KIND, "metadata": metadata}


def _is_of(tree: dict[str, Any], uid: str) -> bool:
    owners = tree["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == uid for owner in owners)


def _annotations(tree: dict[str, Any]) -> dict[str, Any]:
    return tree["metadata"].get("annotations") or {}


def _spec_of(stored: StoredFunction) -> dict[str, Any] | None:
    return stored.function.spec.wire() if stored.function is not None else None
