"""From an allowed call to the part that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from casemate.apiserver.call import Call, Door
from casemate.apiserver.reply import Reply
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import no_such_path
from casemate.apiserver.verbs import Verbs

ResourceKey = tuple[str, str, str]
"""(group, version, plural)."""
DoorKey = tuple[str, str, str]
"""(group, plural, subresource); an empty subresource is a question such as TokenReview."""
_OBJECT_SUBRESOURCES = frozenset({"", "status", "scale", "finalize"})


class Router:
    """Answers by verbs on stored objects, by doors, or by documents about the API itself."""

    def __init__(
        self,
        resources: Mapping[ResourceKey, Resource],
        verbs: Verbs,
        doors: Mapping[DoorKey, Door],
        documents: Callable[[Call], Awaitable[Reply]],
    ) -> None:
        self._resources = resources
        self._verbs = verbs
        self._doors = doors
        self._documents = documents

    async def __call__(self, call: Call) -> Reply:
        """Answer. Raises ApiError; 404 for what does not exist here."""
        asked = call.asked
        if not asked.is_resource:
            return await self._documents(call)
        resource = self._resources.get((asked.group, asked.version, asked.plural))
        if resource is None or (bool(asked.namespace) and not _may_have_namespace(call, resource)):
            raise no_such_path()
        if asked.subresource and asked.subresource not in resource.subresources:
            raise no_such_path()
        door = self._doors.get((asked.group, asked.plural, asked.subresource))
        if door is not None:
            return await door(call, resource)
        if asked.subresource not in _OBJECT_SUBRESOURCES or not resource.stored:
            raise no_such_path()
        return await self._verbs.answer(call, resource)


def _may_have_namespace(call: Call, resource: Resource) -> bool:
    return resource.namespaced or resource.plural == "namespaces" == call.asked.plural
