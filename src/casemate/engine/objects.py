"""The API's objects with their types: keys in, parsed objects out. The store is the only truth.

Each object is parsed once per write that the store has seen, by the same types and rules that admit
it, so that what an older version or a restored backup left behind cannot pass them by. What does
not parse is not there, except for a Function: that one is told what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from casemate.api.conditions import ConditionReason
from casemate.api.core_objects import ConfigMap, Secret
from casemate.api.function import Function, FunctionStatus
from casemate.api.function_policy import FunctionPolicy
from casemate.api.meta import FunctionRef
from casemate.api.rules import function_violations
from casemate.api.serverless import Serverless
from casemate.api.violations import from_pydantic
from casemate.api.workload import WireModel
from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey, StoredObject
from casemate.controller.observation import Fault
from casemate.controller.stored_function import StoredFunction

FUNCTIONS = GroupResource("serverless.kyma-project.io", "functions")
SECRETS = GroupResource("", "secrets")
CONFIG_MAPS = GroupResource("", "configmaps")
NAMESPACES = GroupResource("", "namespaces")
POLICIES = GroupResource("casemate.dev", "functionpolicies")
SERVERLESSES = GroupResource("operator.kyma-project.io", "serverlesses")

Found = TypeVar("Found", bound=WireModel)


class Objects:
    """Reads typed objects out of a store; every call is on the store's loop and never waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parsed: dict[ObjectKey, tuple[int, WireModel | StoredFunction | None]] = {}
        self.folders: Mapping[FunctionRef, Path] = {}
        """Functions whose code is a whole folder on this machine."""

    def folder(self, ref: FunctionRef) -> Path | None:
        """Return the folder that holds a Function's code, if it is more than its manifest."""
        return self.folders.get(ref)

    def read(self, ref: FunctionRef) -> StoredFunction | None:
        """Return one Function, readable or not; None when it is not there."""
        key = _key(FUNCTIONS, ref.namespace, ref.name)
        stored = self._store.get(key)
        if stored is None:
            self._parsed.pop(key, None)
            return None
        known = self._parsed.get(key)
        if known is not None and known[0] == stored.resource_version:
            found = known[1]
        else:
            found = _function(ref, stored)
            self._parsed[key] = (stored.resource_version, found)
        return found if isinstance(found, StoredFunction) else None

    def function(self, ref: FunctionRef) -> Function | None:
        """Return one Function that can be read."""
        stored = self.read(ref)
        return stored.function if stored is not None else None

    def refs(self, namespace: str | None = None) -> list[FunctionRef]:
        """Return the keys of every Function, by namespace and name."""
        items = self._store.list(FUNCTIONS, namespace).items
        return [FunctionRef(found.key.namespace, found.key.name) for found in items]

    def functions(self, namespace: str | None = None) -> Iterator[Function]:
        """Yield every Function that can be read, by namespace and name."""
        for ref in self.refs(namespace):
            found = self.function(ref)
            if found is not None:
                yield found

    def tree(self, ref: FunctionRef) -> dict[str, Any] | None:
        """Return a Function as it is stored."""
        stored = self._store.get(_key(FUNCTIONS, ref.namespace, ref.name))
        return stored.tree() if stored is not None else None

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Return one Secret."""
        return self._typed(_key(SECRETS, namespace, name), Secret)

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return one ConfigMap."""
        return self._typed(_key(CONFIG_MAPS, namespace, name), ConfigMap)

    def namespace_labels(self, name: str) -> dict[str, str]:
        """Return the labels of a namespace; one that is not there has none."""
        found = self._store.get(_key(NAMESPACES, "", name))
        return dict(found.labels) if found is not None else {}

    def policies(self) -> tuple[FunctionPolicy, ...]:
        """Return every FunctionPolicy."""
        return tuple(self._all(POLICIES, FunctionPolicy))

    def serverless(self) -> Serverless | None:
        """Return the installation's settings: of several objects the first by name."""
        return next(self._all(SERVERLESSES, Serverless), None)

    def _all(self, of: GroupResource, kind: type[Found]) -> Iterator[Found]:
        for stored in self._store.list(of).items:
            found = self._typed(stored.key, kind)
            if found is not None:
                yield found

    def _typed(self, key: ObjectKey, kind: type[Found]) -> Found | None:
        stored = self._store.get(key)
        if stored is None:
            self._parsed.pop(key, None)
            return None
        known = self._parsed.get(key)
        if known is None or known[0] != stored.resource_version:
            known = (stored.resource_version, _parse(stored, kind))
            self._parsed[key] = known
        return known[1] if isinstance(known[1], kind) else None


def _key(of: GroupResource, namespace: str, name: str) -> ObjectKey:
    return ObjectKey(of.group, of.plural, namespace, name)


def _parse(stored: StoredObject, kind: type[Found]) -> Found | None:
    try:
        return kind.model_validate_json(stored.body, strict=True)
    except ValidationError:
        return None


def _function(ref: FunctionRef, stored: StoredObject) -> StoredFunction:
    try:
        function = Function.model_validate_json(stored.body, strict=True)
    except ValidationError as error:
        reasons = [
            f"{'.'.join(map(str, detail['loc']))}: {from_pydantic(detail).message}"
            for detail in error.errors(include_url=False)
        ]
        return _unreadable(ref, stored, reasons)
    broken = [f"{found.path}: {found.message}" for _, found in function_violations(function)]
    return _unreadable(ref, stored, broken) if broken else StoredFunction.of(function)


def _unreadable(ref: FunctionRef, stored: StoredObject, reasons: list[str]) -> StoredFunction:
    """Say what is wrong, and keep of the object what can be told apart without its type."""
    tree = json.loads(stored.body)
    spec = tree.get("spec")
    runtime = spec.get("runtime") if isinstance(spec, dict) else None
    status: FunctionStatus | None
    try:
        status = FunctionStatus.model_validate_json(json.dumps(tree["status"]), strict=True)
    except (KeyError, ValidationError):
        status = None
    message = "; ".join(reasons) or "it cannot be read"
    return StoredFunction(
        ref,
        stored.uid,
        int(tree["metadata"].get("generation") or 1),
        runtime if isinstance(runtime, str) else "",
        fault=Fault(ConditionReason.INVALID_FUNCTION_SPEC, message),
        status=status,
    )


__all__ = ["FUNCTIONS", "Objects"]
