"""The client protocol: what a controller needs of any Kubernetes API, and nothing more.

One reconciler serves both engines because it speaks only this. Objects are plain JSON trees, a
`resourceVersion` is opaque text, and whatever goes wrong is a `KubeError` of a telling class.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

Tree: TypeAlias = dict[str, Any]


class KindRef(NamedTuple):
    """How a kind is addressed."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True


class ObjectRef(NamedTuple):
    """One object; `namespace` is empty for kinds of the cluster."""

    kind: KindRef
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ObjectList:
    """Objects as of one moment; a watch from `resource_version` misses nothing."""

    items: tuple[Tree, ...]
    resource_version: str


class Happened(StrEnum):
    """What a watch tells."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Seen:
    """One event of a watch; its `resource_version` is where another watch goes on."""

    what: Happened
    tree: Tree
    resource_version: str


class KubeClient(Protocol):
    """Any Kubernetes API. Every method raises KubeError."""

    async def get(self, ref: ObjectRef) -> Tree:
        """Return one object. Raises Missing."""

    async def list(
        self, kind: KindRef, namespace: str | None = None, *, labels: str = ""
    ) -> ObjectList:
        """Return the objects of a kind, of one namespace or of all."""

    def watch(
        self, kind: KindRef, namespace: str | None = None, *, since: str = "", labels: str = ""
    ) -> AsyncIterator[Seen]:
        """Follow a kind after `since`, empty: from what is there now. Raises Expired."""

    async def create(self, tree: Tree, manager: str) -> Tree:
        """Create an object. Raises Exists."""

    async def apply(self, tree: Tree, manager: str, *, force: bool = True) -> Tree:
        """Server-side apply. Raises Conflict where another manager owns a field."""

    async def update_status(self, tree: Tree, manager: str) -> Tree:
        """Replace the status. With a resourceVersion in it only of that state: else Conflict."""

    async def delete(self, ref: ObjectRef, *, uid: str = "") -> None:
        """Delete an object, of that uid only if one is given. An absent one is fine."""
