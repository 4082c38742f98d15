"""The verbs on stored objects: from a call to a reply. Authorization came before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from casemate.apiserver.body import media_type, read_tree, read_value
from casemate.apiserver.call import Call
from casemate.apiserver.list_options import list_options
from casemate.apiserver.negotiation import negotiate
from casemate.apiserver.patch.json_patch import json_patch
from casemate.apiserver.patch.merge_patch import merge_patch
from casemate.apiserver.patching import APPLY, PatchBody, check_options, patch
from casemate.apiserver.reads import Page, Reads, matches
from casemate.apiserver.reply import Presentation, Reply, View, encoded, tree_reply
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.scale import scale_of, with_scale
from casemate.apiserver.status_error import (
    bad_request,
    method_not_allowed,
    not_found,
)
from casemate.apiserver.store.database import Store
from casemate.apiserver.watching import Bookmark, Broken, WatchItem, watch
from casemate.apiserver.write_options import delete_options, write_options
from casemate.apiserver.writes import Target, Writes, Written

Viewer = Callable[[Call, Resource], View | None]
"""What a caller may see of each object of a resource; None: all of it."""
# Kubernetes answers a delete of these with the object instead of a Status.
_SHOWN_WHEN_DELETED = frozenset({("", "pods"), ("", "serviceaccounts")})


class Verbs:
    """Every verb of every stored resource, and of the subresources `status` and `scale`."""

    def __init__(
        self, store: Store, writes: Writes, viewer: Viewer, now: Callable[[], str]
    ) -> None:
        self._store = store
        self._reads = Reads(store)
        self._writes = writes
        self._viewer = viewer
        self._now = now

    async def answer(self, call: Call, resource: Resource) -> Reply:
        """Answer one call. Raises ApiError."""
        verb, subresource = call.asked.verb, call.asked.subresource
        door = {
            "get": self._get, "list": self._list, "watch": self._watch, "create": self._create,
            "update": self._update, "patch": self._patch, "delete": self._delete,
            "deletecollection": self._delete_collection,
        }.get(verb)  # fmt: skip
        allowed = resource.subresources[subresource].verbs if subresource else resource.verbs
        if door is None or verb not in allowed or _is_too_wide(call, resource):
            raise method_not_allowed(_target(call, resource).subject, verb)
        return await door(call, resource)

    async def _get(self, call: Call, resource: Resource) -> Reply:
        target = _target(call, resource)
        stored = self._store.get(target.key)
        if stored is None:
            raise not_found(target.subject)
        if target.subresource == "scale":
            return tree_reply(scale_of(stored.tree()))
        return self._presentation(call, resource).one(stored.tree())

    async def _list(self, call: Call, resource: Resource) -> Reply:
        options = list_options(resource, call.query, watch=False)
        page = self._reads.list(resource.group_resource, call.asked.namespace or None, options)
        return self._presentation(call, resource).page(page)

    async def _watch(self, call: Call, resource: Resource) -> Reply:
        query = dict(call.query)
        if call.asked.name:
            name = f"metadata.name={call.asked.name}"
            given = query.get("fieldSelector")
            query["fieldSelector"] = f"{given},{name}" if given else name
        options = list_options(resource, query, watch=True)
        items = watch(self._store, resource, call.asked.namespace or None, options)
        stream = _watch_lines(items, self._presentation(call, resource), resource)
        return Reply(200, stream=stream)

    async def _create(self, call: Call, resource: Resource) -> Reply:
        if call.asked.name:
            raise method_not_allowed(_target(call, resource).subject, "create")
        options = write_options(call.query, call.user_agent, "CreateOptions")
        tree = _object_of(call, resource)
        written = await self._writes.create(_target(call, resource), tree, options)
        return self._written(call, resource, written)

    async def _update(self, call: Call, resource: Resource) -> Reply:
        target = _target(call, resource)
        options = write_options(call.query, call.user_agent, "UpdateOptions")
        if target.subresource == "scale":
            scale = read_tree(call.body, call.content_type)

            def change(stored: Tree) -> Tree:
                return with_scale(stored, scale, target.subject)

            written = await self._writes.change(target, change, options)
            return tree_reply(scale_of(written.tree), warnings=written.warnings)
        written = await self._writes.update(target, _object_of(call, resource), options)
        return self._written(call, resource, written)

    async def _patch(self, call: Call, resource: Resource) -> Reply:
        target = _target(call, resource)
        check_options(call.query, media_type(call.content_type))
        options = write_options(call.query, call.user_agent, "PatchOptions")
        if target.subresource == "scale":
            return await self._patch_scale(call, target)
        body = PatchBody(call.body, call.content_type)
        written = await patch(self._writes, target, body, options, self._now())
        return self._written(call, resource, written)

    async def _patch_scale(self, call: Call, target: Target) -> Reply:
        options = write_options(call.query, call.user_agent, "PatchOptions")
        value = read_value(call.body, call.content_type)

        def change(stored: Tree) -> Tree:
            scale = scale_of(stored)
            if media_type(call.content_type) == "application/json-patch+json":
                scale = json_patch(scale, value)
            elif isinstance(value, dict):
                scale = merge_patch(scale, value)
            else:
                raise bad_request("a merge patch must be an object")
            return with_scale(stored, scale, target.subject)

        written = await self._writes.change(target, change, options)
        return tree_reply(scale_of(written.tree), warnings=written.warnings)

    async def _delete(self, call: Call, resource: Resource) -> Reply:
        target = _target(call, resource)
        body = read_tree(call.body, call.content_type) if call.body else None
        written = await self._writes.delete(target, delete_options(call.query, body))
        shown = (resource.group, resource.plural) in _SHOWN_WHEN_DELETED
        if not written.deleted or shown:
            return self._presentation(call, resource).one(written.tree)
        return tree_reply(_deleted(target, written))

    async def _delete_collection(self, call: Call, resource: Resource) -> Reply:
        options = list_options(resource, call.query, watch=False)
        body = read_tree(call.body, call.content_type) if call.body else None
        how = delete_options(call.query, body)
        page = self._reads.list(resource.group_resource, call.asked.namespace or None, options)
        for stored in page.items:
            target = Target(resource, stored.key.namespace, stored.key.name, call.user)
            if self._store.get(stored.key) is not None:
                await self._writes.delete(target, how)
        return self._presentation(call, resource).page(Page(page.items, page.resource_version))

    def _written(self, call: Call, resource: Resource, written: Written) -> Reply:
        status = 201 if written.created else 200
        return self._presentation(call, resource).one(written.tree, status, written.warnings)

    def _presentation(self, call: Call, resource: Resource) -> Presentation:
        return Presentation(
            resource,
            negotiate(call.headers.get("accept", "")),
            self._now(),
            call.query.get("includeObject") or "Metadata",
            self._viewer(call, resource),
        )


async def _watch_lines(
    items: AsyncIterator[WatchItem], presentation: Presentation, resource: Resource
) -> AsyncIterator[bytes]:
    first = True
    async for item in items:
        if isinstance(item, Broken):
            yield b'{"type":"ERROR","object":' + encoded(item.error.wire()) + b"}\n"
            return
        if isinstance(item, Bookmark):
            yield b'{"type":"BOOKMARK","object":' + encoded(_bookmark(item, resource)) + b"}\n"
            continue
        body = presentation.event_object(item.object, first=first)
        first = False
        yield b'{"type":"' + item.type.value.encode() + b'","object":' + body + b"}\n"


def _bookmark(item: Bookmark, resource: Resource) -> Tree:
    metadata: Tree = {"resourceVersion": str(item.resource_version), "creationTimestamp": None}
    if item.initial_events_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}


def _object_of(call: Call, resource: Resource) -> Tree:
    """Read the body as an object of this kind. Raises ApiError 400."""
    tree = read_tree(call.body, call.content_type)
    version, kind = tree.get("apiVersion"), tree.get("kind")
    if kind is None and version is None:
        tree["apiVersion"], tree["kind"] = resource.api_version, resource.kind
    elif kind != resource.kind or version != resource.api_version:
        raise bad_request(
            f"the API version and kind in the data ({version}, Kind={kind}) do not match the "
            f"expected ones ({resource.api_version}, Kind={resource.kind})"
        )
    return tree


def _is_too_wide(call: Call, resource: Resource) -> bool:
    """One object is written at a time; all namespaces at once are only read."""
    asked = call.asked
    if asked.verb in {"update", "patch"}:
        return not asked.name
    # ATTACK: one DELETE without a namespace would empty every namespace.
    # tests/contract/test_objects.py
    changes = asked.verb in {"create", "deletecollection"}
    return changes and resource.namespaced and not asked.namespace


def _target(call: Call, resource: Resource) -> Target:
    asked = call.asked
    namespace = asked.namespace if resource.namespaced else ""
    return Target(resource, namespace, asked.name, call.user, asked.subresource)


def _deleted(target: Target, written: Written) -> Tree:
    details = {
        "name": target.name,
        "group": target.resource.group,
        "kind": target.resource.plural,
        "uid": written.tree["metadata"].get("uid", ""),
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


__all__ = ["APPLY", "Verbs", "Viewer", "matches"]
