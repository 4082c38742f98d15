"""Doors beside a Function: `invoke` mints a token for it, `posture` looks at its sandbox.

Both are subresources with a permission of their own, and authorization came before: whether the
Function exists is learnt only by who may ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from casemate import clock
from casemate.api.meta import FunctionRef
from casemate.apiserver.body import read_tree
from casemate.apiserver.call import Call
from casemate.apiserver.reply import Reply, tree_reply
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import (
    Cause,
    Subject,
    bad_request,
    invalid,
    method_not_allowed,
    not_found,
)
from casemate.engine.objects import Objects
from casemate.errors import NotFound
from casemate.identity.tokens import MAX_LIFETIME_SECONDS, UnmintableToken

API_VERSION = "casemate.dev/v1alpha1"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token for one Function, and where to take it."""

    token: str
    audience: str
    url: str
    expires_in_seconds: int


class FunctionDoors:
    """Answers the subresources of ours."""

    def __init__(
        self,
        objects: Objects,
        grant: Callable[[FunctionRef, int, str], Grant],
        posture: Callable[[FunctionRef], Awaitable[dict[str, Any]]],
    ) -> None:
        """`grant` takes the Function, seconds and the caller; it may raise UnmintableToken."""
        self._objects = objects
        self._grant = grant
        self._posture = posture

    async def invoke(self, call: Call, resource: Resource) -> Reply:
        """Mint a token for the caller. Raises ApiError."""
        ref = self._existing(call, resource, "create")
        seconds = _seconds(call)
        try:
            grant = self._grant(ref, seconds, call.user.name)
        except UnmintableToken as error:
            raise bad_request(error.message) from error
        expires = clock.from_seconds(clock.now_seconds() + grant.expires_in_seconds)
        status = {
            "token": grant.token,
            "expirationTimestamp": clock.rfc3339(expires),
            "audience": grant.audience,
            "url": grant.url,
        }
        return tree_reply(_answer(ref, "FunctionToken", status) | {
            "spec": {"expirationSeconds": seconds},
        }, 201)  # fmt: skip

    async def posture(self, call: Call, resource: Resource) -> Reply:
        """Compare the running sandbox with its plan. Raises ApiError."""
        ref = self._existing(call, resource, "get")
        try:
            found = await self._posture(ref)
        except (NotFound, ProcessLookupError) as error:
            # None runs, or it ended while it was looked at.
            raise not_found(Subject("", "pods", ref.name)) from error
        return tree_reply(_answer(ref, "FunctionPosture", found))

    def _existing(self, call: Call, resource: Resource, verb: str) -> FunctionRef:
        ref = FunctionRef(call.asked.namespace, call.asked.name)
        subject = Subject(resource.group, resource.plural, ref.name)
        if call.asked.verb != verb:
            raise method_not_allowed(subject, call.asked.verb)
        if self._objects.read(ref) is None:
            raise not_found(subject)
        return ref


def _seconds(call: Call) -> int:
    body = read_tree(call.body, call.content_type) if call.body else {}
    spec = body.get("spec")
    wanted = spec.get("expirationSeconds") if isinstance(spec, dict) else None
    if wanted is None:
        return MAX_LIFETIME_SECONDS
    # `type` and not `isinstance`: JSON's true would count as 1.
    if type(wanted) is not int or not 0 < wanted <= MAX_LIFETIME_SECONDS:
        why = f"Invalid value: must be between 1 and {MAX_LIFETIME_SECONDS}"
        cause = Cause("FieldValueInvalid", why, "spec.expirationSeconds")
        subject = Subject("casemate.dev", "FunctionToken", call.asked.name)
        raise invalid(subject, (cause,), kind="FunctionToken")
    return wanted


def _answer(ref: FunctionRef, kind: str, status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "status": status}
