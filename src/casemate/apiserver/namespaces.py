"""The life of a namespace: what it starts with, what may be made in it, and how it ends.

Source: the namespace life-cycle admission and controller, and the service-account controller, of
Kubernetes 1.36.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from casemate.apiserver.access.attributes import User
from casemate.apiserver.admission import AdmissionRequest
from casemate.apiserver.object_meta import metadata_of
from casemate.apiserver.resource import GroupResource, Resource, Tree
from casemate.apiserver.status_error import ApiError, Cause, Subject, forbidden, not_found
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import TooSlow
from casemate.apiserver.store.objects import EventType, ObjectKey, StoredObject
from casemate.apiserver.strategies import NAMESPACE_FINALIZER
from casemate.apiserver.write_options import DeleteOptions, WriteOptions
from casemate.apiserver.writes import Target, Writes

NAMESPACES = GroupResource("", "namespaces")
ACCOUNTS = GroupResource("", "serviceaccounts")
SYSTEM_NAMESPACES = ("default", "kube-system", "casemate-system")
_OPTIONS = WriteOptions("casemate-namespaces")
_LOOK_AGAIN_SECONDS = 0.2


class NamespaceLifecycle:
    """The admission check: nothing is made in a namespace that is not there or is ending."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, request: AdmissionRequest) -> None:
        """Refuse creates in absent or ending namespaces, and deletes of the system's own."""
        resource = request.resource
        if resource.group_resource == NAMESPACES:
            if request.operation == "delete" and request.name in SYSTEM_NAMESPACES:
                subject = Subject("", "namespaces", request.name)
                why = "this namespace may not be deleted"
                raise forbidden(f'namespaces "{request.name}" is forbidden: {why}', subject)
            return
        if request.operation != "create" or not resource.namespaced:
            return
        found = self._store.get(ObjectKey("", "namespaces", "", request.namespace))
        if found is None:
            raise not_found(Subject("", "namespaces", request.namespace))
        if metadata_of(found.tree()).get("deletionTimestamp"):
            raise _ending(request)


class NamespaceController:
    """Gives each namespace its default ServiceAccount, and empties those that end."""

    def __init__(
        self, store: Store, writes: Writes, resources: Iterable[Resource], user: User
    ) -> None:
        self._store = store
        self._writes = writes
        self._user = user
        self._resources = {one.group_resource: one for one in resources if one.stored}
        self._ending: set[str] = set()
        self._log = structlog.get_logger("namespaces")

    async def start(self) -> None:
        """Make the namespaces that every installation has."""
        for name in SYSTEM_NAMESPACES:
            if self._store.get(ObjectKey("", "namespaces", "", name)) is None:
                tree: Tree = {
                    "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                }  # fmt: skip
                await self._writes.create(self._target(NAMESPACES, "", name), tree, _OPTIONS)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_accounts(group))
            while True:
                subscription = self._store.watch(NAMESPACES, None, None)
                try:
                    for stored in self._store.list(NAMESPACES).items:
                        await self._look(stored, group)
                    async for event in subscription:
                        if event.type is not EventType.DELETED:
                            await self._look(event.object, group)
                except TooSlow:
                    continue
                finally:
                    subscription.close()

    async def _follow_accounts(self, group: asyncio.TaskGroup) -> None:
        """Give a namespace its default ServiceAccount back when somebody deletes it."""
        while True:
            subscription = self._store.watch(ACCOUNTS, None, None)
            try:
                async for event in subscription:
                    key = event.object.key
                    if event.type is EventType.DELETED and key.name == "default":
                        home = self._store.get(ObjectKey("", "namespaces", "", key.namespace))
                        if home is not None:
                            await self._look(home, group)
            except TooSlow:
                continue
            finally:
                subscription.close()

    async def _look(self, stored: StoredObject, group: asyncio.TaskGroup) -> None:
        name = stored.key.name
        if metadata_of(stored.tree()).get("deletionTimestamp"):
            if name not in self._ending:
                self._ending.add(name)
                group.create_task(self._end(name))
            return
        if self._store.get(ObjectKey("", "serviceaccounts", name, "default")) is None:
            account: Tree = {
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"},
            }  # fmt: skip
            try:
                await self._writes.create(
                    self._target(ACCOUNTS, name, "default"), account, _OPTIONS
                )
            except ApiError as error:
                self._log.warning("no default service account", namespace=name, why=error.reason)

    async def _end(self, name: str) -> None:
        try:
            while self._store.get(ObjectKey("", "namespaces", "", name)) is not None:
                left = await self._empty(name)
                if not left:
                    await self._finalize(name)
                    return
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        finally:
            self._ending.discard(name)

    async def _empty(self, name: str) -> int:
        """Delete everything in the namespace; returns how much is still there."""
        left = 0
        for group_resource, resource in self._resources.items():
            if not resource.namespaced:
                continue
            for stored in self._store.list(group_resource, name).items:
                left += 1
                if metadata_of(stored.tree()).get("deletionTimestamp"):
                    continue
                try:
                    target = self._target(group_resource, name, stored.key.name)
                    written = await self._writes.delete(target, DeleteOptions(uid=stored.uid))
                    left -= int(written.deleted)
                except ApiError as error:
                    if error.status != 404:  # noqa: PLR2004
                        self._log.warning("not deleted", key=str(stored.key), why=error.reason)
        return left

    async def _finalize(self, name: str) -> None:
        def change(tree: Tree) -> Tree:
            spec = tree.setdefault("spec", {})
            kept = [one for one in spec.get("finalizers") or () if one != NAMESPACE_FINALIZER]
            spec["finalizers"] = kept
            return tree

        resource = self._resources[NAMESPACES]
        target = Target(resource, "", name, self._user, "finalize")
        try:
            await self._writes.change(target, change, _OPTIONS)
        except ApiError as error:
            if error.status != 404:  # noqa: PLR2004
                raise

    def _target(self, group_resource: GroupResource, namespace: str, name: str) -> Target:
        return Target(self._resources[group_resource], namespace, name, self._user)


def _ending(request: AdmissionRequest) -> ApiError:
    subject = Subject(request.resource.group, request.resource.plural, request.name)
    full = str(request.resource.group_resource)
    why = (
        f"unable to create new content in namespace {request.namespace} because it is being "
        "terminated"
    )
    return ApiError(
        403,
        "Forbidden",
        f'{full} "{request.name}" is forbidden: {why}',
        subject=subject,
        causes=(
            Cause(
                "NamespaceTerminating",
                f"namespace {request.namespace} is being terminated",
                "metadata.namespace",
            ),
        ),
    )
