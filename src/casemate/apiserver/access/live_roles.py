"""Keeps the authorizer equal to the stored roles, and aggregated ClusterRoles to what they collect.

The authorizer decides by a whole index that is replaced at once: no request sees half of a change.
Between a write of a role and its effect lies one turn of the event loop.
"""

from __future__ import annotations

import asyncio

import structlog

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.rbac import Authorizer, aggregated
from casemate.apiserver.resource import GroupResource, Resource, Tree
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.history import TooSlow
from casemate.apiserver.store.objects import ObjectKey
from casemate.apiserver.write_options import WriteOptions
from casemate.apiserver.writes import Target, Writes

RBAC_GROUP = "rbac.authorization.k8s.io"
ROLES = GroupResource(RBAC_GROUP, "roles")
CLUSTER_ROLES = GroupResource(RBAC_GROUP, "clusterroles")
ROLE_BINDINGS = GroupResource(RBAC_GROUP, "rolebindings")
CLUSTER_ROLE_BINDINGS = GroupResource(RBAC_GROUP, "clusterrolebindings")
_WATCHED = (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)
_OPTIONS = WriteOptions("clusterrole-aggregation-controller")


class LiveRoles:
    """Follows the four kinds of RBAC."""

    def __init__(
        self,
        store: Store,
        writes: Writes,
        authorizer: Authorizer,
        cluster_roles: Resource,
        user: User,
    ) -> None:
        """`cluster_roles` is how ClusterRoles are served; `user` writes the aggregated ones."""
        self._store = store
        self._writes = writes
        self._authorizer = authorizer
        self._resource = cluster_roles
        self._user = user
        self._changed = asyncio.Event()
        self._read: dict[ObjectKey, tuple[int, Tree]] = {}
        self._log = structlog.get_logger("roles")

    def refresh(self) -> None:
        """Decide by what is stored now."""
        read = self._read
        self._read = {}
        self._authorizer.replace(*(self._trees(kind, read) for kind in _WATCHED))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in _WATCHED:
                group.create_task(self._follow(kind))
            group.create_task(self._work())

    async def aggregate(self) -> None:
        """Write the rules of every ClusterRole that collects others' and differs."""
        found = self._trees(CLUSTER_ROLES, self._read)
        for role in found:
            wanted = aggregated(role, found)
            if (wanted.get("rules") or []) == (role.get("rules") or []):
                continue
            rules = wanted["rules"]

            def change(stored: Tree, rules: object = rules) -> Tree:
                return {**stored, "rules": rules}

            target = Target(self._resource, "", str(role["metadata"]["name"]), self._user)
            try:
                await self._writes.change(target, change, _OPTIONS)
            except ApiError as error:
                # The next event of a ClusterRole starts this again.
                self._log.warning("not aggregated", role=target.name, reason=error.reason)

    async def _follow(self, kind: GroupResource) -> None:
        while True:
            subscription = self._store.watch(kind, None, None)
            self._changed.set()
            try:
                async for _ in subscription:
                    self._changed.set()
            except TooSlow:
                continue
            finally:
                subscription.close()

    async def _work(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.refresh()
            await self.aggregate()

    def _trees(self, kind: GroupResource, read: dict[ObjectKey, tuple[int, Tree]]) -> list[Tree]:
        """Return the objects of a kind; what did not change since is not decoded again."""
        trees = []
        for stored in self._store.list(kind).items:
            known = read.get(stored.key)
            if known is None or known[0] != stored.resource_version:
                known = (stored.resource_version, stored.tree())
            self._read[stored.key] = known
            trees.append(known[1])
        return trees
