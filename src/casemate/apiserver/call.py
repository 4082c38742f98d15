"""One authenticated request on its way through the server, and what a door is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.rbac import Decision
from casemate.apiserver.reply import Reply
from casemate.apiserver.request_path import RequestPath
from casemate.apiserver.resource import Resource


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks what, with the body read in whole."""

    asked: RequestPath
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case; of a repeated header the last value."""
    user: User
    body: bytes = field(default=b"", repr=False)

    @property
    def content_type(self) -> str:
        """Return the type of the body."""
        return self.headers.get("content-type", "application/json")

    @property
    def user_agent(self) -> str:
        """Return the client's name for itself, bounded."""
        return self.headers.get("user-agent", "")[:256]


@dataclass(slots=True)
class Seen:
    """What is known of a request, for the audit log; no body, no query."""

    identity: str
    method: str
    path: str
    source: str
    user_agent: str
    received_seconds: float
    asked: RequestPath | None = None
    user: User | None = None
    decision: Decision | None = None


Door: TypeAlias = Callable[[Call, Resource], Awaitable[Reply]]
"""Answers a subresource or a question that is no stored object; raises ApiError."""
