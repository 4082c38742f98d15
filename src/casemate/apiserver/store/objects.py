"""Stored objects and what happened to them: values that are never changed after they were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from casemate.apiserver.resource import GroupResource, Tree


class ObjectKey(NamedTuple):
    """An object's identity; an empty namespace is the cluster."""

    group: str
    plural: str
    namespace: str
    name: str

    @property
    def group_resource(self) -> GroupResource:
        """Return the resource that it is one of."""
        return GroupResource(self.group, self.plural)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as of one write."""

    key: ObjectKey
    uid: str
    resource_version: int
    body: bytes = field(repr=False)
    """The whole object as compact JSON, `metadata.resourceVersion` included."""
    labels: Mapping[str, str]

    def tree(self) -> Tree:
        """Return a copy that may be changed."""
        found: Tree = json.loads(self.body)
        return found

    @classmethod
    def of(cls, key: ObjectKey, tree: Tree, resource_version: int) -> StoredObject:
        """Write the revision into `tree` and freeze it."""
        metadata: dict[str, Any] = tree["metadata"]
        metadata["resourceVersion"] = str(resource_version)
        return cls.read(key, _encoded(tree), resource_version, metadata)

    @classmethod
    def read(
        cls, key: ObjectKey, body: bytes, resource_version: int, metadata: Mapping[str, Any]
    ) -> StoredObject:
        """Wrap a body whose metadata is known already."""
        labels = metadata.get("labels")
        return cls(
            key,
            str(metadata.get("uid", "")),
            resource_version,
            body,
            dict(labels) if isinstance(labels, dict) else {},
        )


class EventType(StrEnum):
    """What a write did."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """One write; a deleted object carries the resourceVersion of its deletion."""

    type: EventType
    object: StoredObject
    previous: StoredObject | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Some objects as of one moment, by namespace and name."""

    items: tuple[StoredObject, ...]
    resource_version: int


def _encoded(tree: Tree) -> bytes:
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()
