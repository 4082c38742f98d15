"""The server as an ASGI application: authenticate, authorize, answer, audit; in this order, always.

There is one way in. A request that was not authenticated is not parsed further, one that was not
authorized does not learn whether what it named exists, and whatever goes wrong in between is a
denial with a line in the log.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import structlog

from casemate.apiserver.access.attributes import Attributes, User
from casemate.apiserver.access.rbac import Decision
from casemate.apiserver.body import LARGEST_BODY_BYTES, too_large
from casemate.apiserver.call import Call, Seen
from casemate.apiserver.reply import Reply, error_reply
from casemate.apiserver.request_path import RequestPath, parse_request_path
from casemate.apiserver.status_error import (
    ApiError,
    Subject,
    bad_request,
    forbidden,
    unauthorized,
)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_MOST_QUERY_BYTES = 8192


class Gate(Protocol):
    """Who is it, and may he?"""

    def authenticate(self, headers: Mapping[str, str], certificate: bytes | None) -> User | None:
        """Return the verified caller, or None. Raises ApiError for a refused impersonation."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Decide; a value, never an exception."""


class Auditor(Protocol):
    """Remembers who did what."""

    def begin(self, seen: Seen) -> None:
        """Write the line that must exist before a change happens. Raises ApiError 503."""

    def end(self, seen: Seen, status: int) -> None:
        """Write the line of an answered request."""


class App:
    """The ASGI application; `route` answers what was allowed."""

    def __init__(
        self,
        gate: Gate,
        audit: Auditor,
        route: Callable[[Call], Awaitable[Reply]],
        now_seconds: Callable[[], float],
    ) -> None:
        self._gate = gate
        self._audit = audit
        self._route = route
        self._now = now_seconds
        self._log = structlog.get_logger("apiserver")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        seen = Seen(
            str(uuid.uuid4()),
            scope["method"],
            scope["path"],
            (scope.get("client") or ("", 0))[0],
            headers.get("user-agent", "")[:256],
            self._now(),
        )
        reply = await self._answer(scope, headers, receive, seen)
        self._audit.end(seen, reply.status)
        await _send(reply, seen, scope["method"], receive, send)

    async def _answer(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, seen: Seen
    ) -> Reply:
        try:
            call = await self._admitted(scope, headers, receive, seen)
            return await self._route(call)
        except ApiError as error:
            return error_reply(error)
        except _Gone:
            return error_reply(bad_request("the caller went away"))
        except Exception:  # noqa: BLE001  # the server stays; the caller learns nothing of it
            self._log.exception("request failed", request_id=seen.identity)
            message = f"an error of the server; its log has it under {seen.identity}"
            return error_reply(ApiError(500, "InternalError", message))

    async def _admitted(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, seen: Seen
    ) -> Call:
        """Return the call of a caller who may make it. Raises ApiError."""
        query = _query(scope.get("query_string", b""))
        user = self._gate.authenticate(headers, scope.get("casemate.certificate"))
        if user is None:
            raise unauthorized()
        seen.user = user
        # ATTACK: the path is taken as it was sent; a decoded one would already have lost the
        # difference between a slash and %2F. tests/unit/apiserver/test_request_path.py
        raw = scope.get("raw_path") or scope["path"].encode()
        asked = parse_request_path(scope["method"], raw.partition(b"?")[0].decode("latin-1"), query)
        seen.asked = asked
        seen.decision = self._gate.authorize(attributes_of(asked, user))
        if not seen.decision.allowed:
            raise refusal(asked, user)
        self._audit.begin(seen)
        return Call(asked, query, headers, user, await _body(headers, receive))


def attributes_of(asked: RequestPath, user: User) -> Attributes:
    """Return what the authorizer is asked."""
    return Attributes(
        user=user, verb=asked.verb, group=asked.group, version=asked.version,
        resource=asked.plural, subresource=asked.subresource, namespace=asked.namespace,
        name=asked.name or asked.selected, path=asked.path,
    )  # fmt: skip


def refusal(asked: RequestPath, user: User) -> ApiError:
    """403 in Kubernetes' words."""
    who = f'User "{user.name}" cannot {asked.verb}'
    if not asked.is_resource:
        message = f'forbidden: {who} path "{asked.path}"'
        return forbidden(message, Subject())
    what = f"{asked.plural}/{asked.subresource}" if asked.subresource else asked.plural
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    full = f"{asked.plural}.{asked.group}" if asked.group else asked.plural
    named = f'{full} "{asked.name}"' if asked.name else full
    group = asked.group
    message = f'{named} is forbidden: {who} resource "{what}" in API group "{group}" {where}'
    return forbidden(message, Subject(asked.group, asked.plural, asked.name))


class _Gone(Exception):  # it is no error, somebody left
    """The caller closed the connection before the request was whole."""


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers; a repeated authorization header is no authorization."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # ATTACK: of two identities one reader takes the first, another the last: neither counts.
        # tests/unit/apiserver/test_app.py
        if name in headers and (name == "authorization" or name.startswith("impersonate-user")):
            value = "\x00"
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _query(raw: bytes) -> dict[str, str]:
    """Read the query; of a repeated name the first counts. Raises ApiError 400."""
    from urllib.parse import parse_qsl  # noqa: PLC0415  # beside its only use

    if len(raw) > _MOST_QUERY_BYTES:
        raise bad_request("the query is too long")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=64)
    except ValueError:
        raise bad_request("the query cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > LARGEST_BODY_BYTES:
        raise too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY_BYTES:
            raise too_large()
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(reply: Reply, seen: Seen, method: str, receive: Receive, send: Send) -> None:
    headers = [
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"audit-id", seen.identity.encode()),
        (b"cache-control", b"no-cache, private"),
        (b"x-content-type-options", b"nosniff"),
    ]
    headers += [
        (name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers
    ]
    if reply.stream is None:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.stream is None:
        body = b"" if method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})
        return
    await _stream(reply, receive, send)


async def _stream(reply: Reply, receive: Receive, send: Send) -> None:
    """Send parts as they come, until the end or until the caller has gone."""
    stream = reply.stream
    if stream is None:
        return

    async def copy() -> None:
        # An empty part sends the head: a watcher must know that its watch stands.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        async for part in stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(copy()), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, OSError):
                await task
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
