"""The objects that were applied, in memory, and who must look again when one changes.

Stands where the store of the local Kubernetes API will stand: it gives generations and uids as an
API server does, and tells the controller only keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from casemate.api.core_objects import ConfigMap, Namespace, Secret
from casemate.api.function import Function
from casemate.api.function_policy import FunctionPolicy
from casemate.api.manifest import ManifestObject, ObjectKey, key_of
from casemate.api.meta import FunctionRef
from casemate.api.serverless import Serverless

Found = TypeVar("Found", bound=ManifestObject)


class ObjectStore:
    """Typed objects by identity; `replace_all` makes the store equal to a set of manifests."""

    def __init__(self, changed: Callable[[FunctionRef], None]) -> None:
        self._objects: dict[ObjectKey, ManifestObject] = {}
        self._folders: Mapping[FunctionRef, Path] = {}
        self._changed = changed

    def replace_all(
        self,
        objects: Iterable[ManifestObject],
        folders: Mapping[FunctionRef, Path] | None = None,
    ) -> None:
        """Hold exactly `objects`; Functions whose inputs changed are reported, each once.

        `folders` names those whose code is a whole folder; any file of it may have changed.
        """
        self._folders = dict(folders or {})
        wanted = {key_of(found): found for found in objects}
        changed = {key for key in self._objects if key not in wanted}
        for key, found in wanted.items():
            stored = self._objects.get(key)
            if stored is None or not _same(stored, found):
                changed.add(key)
                self._objects[key] = _admit(found, stored)
        for key in set(self._objects) - set(wanted):
            del self._objects[key]
        for ref in {*self._affected(changed), *self._folders}:
            self._changed(ref)

    def folder(self, ref: FunctionRef) -> Path | None:
        """Return the folder that holds a Function's code, if it is more than its manifest."""
        return self._folders.get(ref)

    def function(self, ref: FunctionRef) -> Function | None:
        """Return one Function."""
        found = self._objects.get(ObjectKey("Function", ref.namespace, ref.name))
        return found if isinstance(found, Function) else None

    def functions(self) -> Iterator[Function]:
        """Yield every Function, by namespace and name."""
        for key in sorted(key for key in self._objects if key.kind == "Function"):
            found = self._objects[key]
            if isinstance(found, Function):
                yield found

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Return one Secret."""
        return self._typed(ObjectKey("Secret", namespace, name), Secret)

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return one ConfigMap."""
        return self._typed(ObjectKey("ConfigMap", namespace, name), ConfigMap)

    def namespace_labels(self, name: str) -> dict[str, str]:
        """Return the labels of a namespace; one that was never applied has none."""
        found = self._typed(ObjectKey("Namespace", "", name), Namespace)
        return dict(found.metadata.labels or {}) if found else {}

    def policies(self) -> tuple[FunctionPolicy, ...]:
        """Return every FunctionPolicy."""
        found = self._objects.values()
        return tuple(policy for policy in found if isinstance(policy, FunctionPolicy))

    def serverless(self) -> Serverless | None:
        """Return the installation's settings, if any were applied."""
        found = (one for one in self._objects.values() if isinstance(one, Serverless))
        return next(found, None)

    def _typed(self, key: ObjectKey, kind: type[Found]) -> Found | None:
        found = self._objects.get(key)
        return found if isinstance(found, kind) else None

    def _affected(self, changed: set[ObjectKey]) -> Iterator[FunctionRef]:
        """Yield the Functions to look at: changed ones, and all when their surroundings changed.

        A Secret or policy changes rarely on one machine; a look that finds nothing to do is cheap.
        """
        if any(key.kind != "Function" for key in changed):
            for function in self.functions():
                yield function.ref
        for key in changed:
            if key.kind == "Function":
                yield FunctionRef(key.namespace, key.name)


def _same(stored: ManifestObject, given: ManifestObject) -> bool:
    return stored.model_dump(exclude={"metadata"}) == given.model_dump(
        exclude={"metadata"}
    ) and _user_metadata(stored) == _user_metadata(given)


def _user_metadata(found: ManifestObject) -> tuple[object, object]:
    return found.metadata.labels, found.metadata.annotations


def _admit(found: ManifestObject, stored: ManifestObject | None) -> ManifestObject:
    """Set what a server sets: a uid for life, and a generation that grows with each change."""
    generation = (stored.metadata.generation or 1) + 1 if stored is not None else 1
    uid = stored.metadata.uid if stored is not None else str(uuid.uuid4())
    metadata = found.metadata.model_copy(update={"uid": uid, "generation": generation})
    return found.model_copy(update={"metadata": metadata})
