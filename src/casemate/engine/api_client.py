"""The API of the same process as a client sees it: the verbs without HTTP, with every check.

What the engine writes goes through the same admission, defaults and field ownership as what
kubectl sends; what it reads comes from the same memory. `LocalKubeClient` is this API as the client
protocol that a reconciler speaks to any Kubernetes API.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from casemate import clock
from casemate.api.meta import DEFAULT_NAMESPACE
from casemate.apiserver.access.attributes import MASTERS, User
from casemate.apiserver.list_options import ListOptions, list_options
from casemate.apiserver.patching import APPLY, PatchBody, patch
from casemate.apiserver.reads import Reads
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import Subscription
from casemate.apiserver.store.objects import ObjectKey
from casemate.apiserver.watching import Bookmark, Broken, watch
from casemate.apiserver.write_options import DeleteOptions, WriteOptions
from casemate.apiserver.writes import Target, Writes
from casemate.kube.client import Happened, KindRef, ObjectList, ObjectRef, Seen
from casemate.kube.errors import KubeError, Missing, kube_error

ENGINE_USER = User("system:casemate-engine", "", (MASTERS,))
MANAGER = "casemate-engine"
_NOT_FOUND, _CONFLICT = 404, 409


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the verbs work on."""

    store: Store
    writes: Writes
    resources: tuple[Resource, ...]

    def by_kind(self) -> Mapping[str, Resource]:
        """Return the stored resources by kind; kinds here are unique."""
        return {one.kind: one for one in self.resources if one.stored}


class InProcessApi:
    """The verbs by kind name, as the engine's own user. Writing ones raise ApiError."""

    def __init__(self, parts: ApiParts) -> None:
        self._store, self._writes = parts.store, parts.writes
        self._resources = parts.by_kind()

    def get(self, kind: str, namespace: str, name: str) -> Tree | None:
        """Return one object, None when it is not there."""
        stored = self._store.get(self._target(kind, namespace, name).key)
        return stored.tree() if stored is not None else None

    def list(self, kind: str, namespace: str | None = None) -> list[Tree]:
        """Return the objects of a kind, by namespace and name."""
        found = self._store.list(self._resources[kind].group_resource, namespace)
        return [stored.tree() for stored in found.items]

    def watch(self, kind: str) -> Subscription:
        """Follow a kind from now."""
        return self._store.watch(self._resources[kind].group_resource, None, None)

    async def create(self, tree: Tree, manager: str = MANAGER) -> Tree:
        """Create an object."""
        target = self._of(tree)
        return (await self._writes.create(target, tree, WriteOptions(manager))).tree

    async def apply(self, tree: Tree, manager: str, force: bool = True) -> Tree:  # noqa: FBT001, FBT002  # Kubernetes' own word
        """Create or change an object by server-side apply; unknown fields are refused."""
        body = PatchBody(json.dumps(tree).encode(), APPLY)
        options = WriteOptions(manager, force=force, field_validation="Strict")
        now = clock.rfc3339(clock.now())
        return (await patch(self._writes, self._of(tree), body, options, now)).tree

    async def update_status(self, tree: Tree, manager: str) -> Tree:
        """Replace the status; of the state that `metadata.resourceVersion` names, if it does."""
        target, seen = self._of(tree, "status"), tree["metadata"].get("resourceVersion")
        uid = tree["metadata"].get("uid")

        def change(stored: Tree) -> Tree:
            wanted = {**stored, "status": tree.get("status") or {}}
            if seen:
                wanted["metadata"]["resourceVersion"] = seen
            if uid:
                # A status of an object that was deleted and made again is not about the new one.
                wanted["metadata"]["uid"] = uid
            return wanted

        return (await self._writes.change(target, change, WriteOptions(manager))).tree

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str = "") -> None:
        """Delete an object; an absent one is fine."""
        target = self._target(kind, namespace, name)
        try:
            await self._writes.delete(target, DeleteOptions(uid=uid or None))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    async def ensure_namespace(self, name: str) -> None:
        """Make a namespace, if it is not there."""
        if self.get("Namespace", "", name) is not None:
            return
        tree: Tree = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            await self.create(tree)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise

    def _of(self, tree: Tree, subresource: str = "") -> Target:
        metadata = tree["metadata"]
        namespace = str(metadata.get("namespace") or DEFAULT_NAMESPACE)
        name = str(metadata.get("name") or "")
        return self._target(str(tree["kind"]), namespace, name, subresource)

    def _target(self, kind: str, namespace: str, name: str, subresource: str = "") -> Target:
        resource = self._resources[kind]
        home = namespace if resource.namespaced else ""
        return Target(resource, home, name, ENGINE_USER, subresource)


class LocalKubeClient:
    """`kube.client.KubeClient` over the API of this process."""

    def __init__(self, parts: ApiParts) -> None:
        self._api = InProcessApi(parts)
        self._store = parts.store
        self._reads = Reads(parts.store)
        self._resources = {(one.api_version, one.kind): one for one in parts.resources}

    async def get(self, ref: ObjectRef) -> Tree:
        """Return one object. Raises Missing."""
        resource = self._resource(ref.kind)
        home = ref.namespace if resource.namespaced else ""
        stored = self._store.get(ObjectKey(resource.group, resource.plural, home, ref.name))
        if stored is None:
            full = resource.group_resource
            raise Missing(f'{full} "{ref.name}" not found', status=_NOT_FOUND, reason="NotFound")
        return stored.tree()

    async def list(
        self, kind: KindRef, namespace: str | None = None, *, labels: str = ""
    ) -> ObjectList:
        """Return the objects of a kind."""
        resource = self._resource(kind)
        try:
            options = list_options(resource, {"labelSelector": labels}, watch=False)
            page = self._reads.list(resource.group_resource, namespace, options)
        except ApiError as error:
            raise _typed(error) from error
        return ObjectList(tuple(one.tree() for one in page.items), str(page.resource_version))

    async def watch(
        self, kind: KindRef, namespace: str | None = None, *, since: str = "", labels: str = ""
    ) -> AsyncIterator[Seen]:
        """Follow a kind, until the caller closes. Raises Expired when history is too short."""
        resource = self._resource(kind)
        query = {"labelSelector": labels, "resourceVersion": since, "allowWatchBookmarks": "true"}
        try:
            options: ListOptions = list_options(resource, query, watch=True)
        except ApiError as error:
            raise _typed(error) from error
        async with aclosing(_items(self._store, resource, namespace, options)) as seen:
            async for one in seen:
                yield one

    async def create(self, tree: Tree, manager: str) -> Tree:
        """Create an object. Raises Exists."""
        try:
            return await self._api.create(tree, manager)
        except ApiError as error:
            raise _typed(error) from error

    async def apply(self, tree: Tree, manager: str, *, force: bool = True) -> Tree:
        """Server-side apply. Raises Conflict."""
        try:
            return await self._api.apply(tree, manager, force=force)
        except ApiError as error:
            raise _typed(error) from error

    async def update_status(self, tree: Tree, manager: str) -> Tree:
        """Replace the status. Raises Conflict."""
        try:
            return await self._api.update_status(tree, manager)
        except ApiError as error:
            raise _typed(error) from error

    async def delete(self, ref: ObjectRef, *, uid: str = "") -> None:
        """Delete an object; an absent one is fine."""
        try:
            await self._api.delete(ref.kind.kind, ref.namespace, ref.name, uid=uid)
        except ApiError as error:
            raise _typed(error) from error

    def _resource(self, kind: KindRef) -> Resource:
        found = self._resources.get((kind.api_version, kind.kind))
        if found is None:
            raise Missing(f"{kind.kind} of {kind.api_version} is not served", status=_NOT_FOUND)
        return found


async def _items(
    store: Store, resource: Resource, namespace: str | None, options: ListOptions
) -> AsyncGenerator[Seen, None]:
    items = watch(store, resource, namespace, options)
    # An async generator, whatever its annotation says: closed with us, not when it is collected.
    async with aclosing(items):  # type: ignore[type-var]
        async for item in items:
            if isinstance(item, Broken):
                raise _typed(item.error)
            if isinstance(item, Bookmark):
                yield Seen(Happened.BOOKMARK, {}, str(item.resource_version))
            else:
                version = str(item.object.resource_version)
                yield Seen(Happened(item.type.value), item.object.tree(), version)


def _typed(error: ApiError) -> KubeError:
    return kube_error(error.status, error.reason, error.message)


def kinds_of(resources: Iterable[Resource]) -> Mapping[str, KindRef]:
    """Return how each kind is addressed, by kind."""
    return {
        one.kind: KindRef(one.api_version, one.kind, one.plural, one.namespaced)
        for one in resources
    }
