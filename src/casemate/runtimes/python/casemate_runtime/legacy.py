"""The surface of python312 and python313: `main(event, context)` over bottle's objects.

Bottle is loaded when a handler touches `event["extensions"]["request"]` or imports it, not before.
What a handler may return is Kyma's list (bottle's) and a little more: text, bytes, JSON values,
`HTTPResponse`, lists of text, files, iterators, and `(body, status[, headers])`.
"""

from __future__ import annotations

import json
import sys

from casemate_runtime.cloudevent import BadBody, is_cloudevent, parse_cloudevent, parse_json
from casemate_runtime.publish import build_event, send_event
from casemate_runtime.reply import JSON, Reply, UnusableReply, problem
from casemate_runtime.streaming import file_parts, text_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from casemate_runtime.call import Call
    from casemate_runtime.invocation import EventLoop
    from casemate_runtime.request import Request
    from casemate_runtime.settings import Settings
    from casemate_runtime.tracing import Tracing

PLAIN_KINDS = (str, bytes, dict)


class Extensions(dict):  # type: ignore[type-arg]
    """`event["extensions"]`: the request, made into bottle's object when it is first asked for."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request

    def __missing__(self, key: str) -> Any:
        if key != "request":
            raise KeyError(key)
        from casemate_runtime.bottle_request import make_request  # noqa: PLC0415

        self["request"] = value = make_request(self._request)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Ask as `[]` does: the request counts as present."""
        return self[key] if key == "request" or key in self else default


class Event(dict):  # type: ignore[type-arg]
    """The first argument of a handler."""

    __slots__ = ("_publisher_address", "_tracing")

    def __init__(self, request: Request, tracing: Tracing, publisher_address: str) -> None:
        super().__init__(extensions=Extensions(request))
        self._tracing = tracing
        self._publisher_address = publisher_address
        if is_cloudevent(request):
            self.update(parse_cloudevent(request))
            return
        body, media_type = request.body, request.media_type
        if media_type == JSON or media_type.endswith("+json"):
            self["data"] = parse_json(body) if body else None
        else:
            self["data"] = body

    def __missing__(self, key: str) -> Any:
        if key == "tracer":
            return self.tracer
        raise KeyError(key)

    @property
    def tracer(self) -> Any:
        """The OpenTelemetry tracer; set up when first asked for."""
        return self._tracing.tracer()

    @property
    def req(self) -> Any:
        """Bottle's request, under its older name."""
        return self["extensions"]["request"]

    @property
    def ceHeaders(self) -> Event:  # noqa: N802  Kyma's name
        """The event itself, under the name of Kyma's attribute."""
        return self

    def emitCloudEvent(  # noqa: N802  Kyma's name
        self,
        type: str,  # noqa: A002  Kyma's name
        source: str,
        data: object,
        optionalCloudEventAttributes: dict[str, Any] | None = None,  # noqa: N803
    ) -> None:
        """Send one CloudEvent to the publisher; raises if it is not accepted."""
        event = build_event(type, source, data, optionalCloudEventAttributes)
        send_event(self._publisher_address, event)

    def publishCloudEvent(self, data: dict[str, Any]) -> Any:  # noqa: N802
        """Send an event given as a whole; kept for Functions written for older versions."""
        return send_event(self._publisher_address, data)

    def buildResponseCloudEvent(  # noqa: N802
        self, event_id: str, event_type: str, event_data: object
    ) -> dict[str, Any]:
        """Describe an answer to this event; kept for Functions written for older versions."""
        kinds = {dict: "application/json", str: "text/plain"}
        return {
            "type": event_type,
            "source": self["ce-source"],
            "eventtypeversion": self.get("ce-eventtypeversion"),
            "specversion": self["ce-specversion"],
            "id": event_id,
            "data": event_data,
            "datacontenttype": kinds.get(type(event_data)),
        }


class LegacyInvocation:
    """Calls `main(event, context)` and turns what it returns into a reply."""

    def __init__(
        self,
        handler: Callable[..., object],
        settings: Settings,
        loop: EventLoop,
        tracing: Tracing,
    ) -> None:
        self._handler = handler
        self._loop = loop
        self._tracing = tracing
        self._publisher_address = settings.publisher_address
        self._context = {
            "function-name": settings.function_name,
            "namespace": settings.namespace,
            "timeout": settings.timeout_seconds,
            "runtime": settings.runtime,
            "memory-limit": settings.memory_limit,
            "body-size-limit": settings.body_limit_bytes,
        }

    def __call__(self, call: Call) -> Reply:
        """Serve one call; user code's exceptions pass through, bottle's answers do not."""
        request = call.request
        self._tracing.enter(request)
        try:
            event = Event(request, self._tracing, self._publisher_address)
        except BadBody as error:
            return problem(400, str(error), call.request_id)
        try:
            # A copy: what one request writes into its context is not there for the next.
            result = self._handler(event, self._context.copy())
            if type(result) not in PLAIN_KINDS and hasattr(result, "__await__"):
                result = self._loop.wait(result, call)
        except Exception as error:
            if not _is_bottle_response(error):
                raise
            result = error
        return self._reply(result, call)

    def _reply(self, result: Any, call: Call) -> Reply:  # noqa: PLR0911  one line per kind
        if type(result) is str:
            return Reply(200, result.encode())
        if result is None:
            return Reply()
        if isinstance(result, bytes | bytearray | memoryview):
            return Reply(200, bytes(result))
        if _is_bottle_response(result):
            return self._bottle_reply(result, call)
        if isinstance(result, BaseException):
            # Kyma treats an exception that is returned as one that is raised.
            raise result
        if isinstance(result, tuple) and len(result) in {2, 3} and type(result[1]) is int:
            return self._tuple_reply(result, call)
        if isinstance(result, dict | bool | int | float):
            return _json_reply(result)
        if isinstance(result, str):
            return Reply(200, str(result).encode())
        if isinstance(result, list | tuple):
            return _list_reply(result)
        return self._stream_reply(result, call)

    def _tuple_reply(self, result: tuple[Any, ...], call: Call) -> Reply:
        reply = self._reply(result[0], call)
        reply.status = result[1]
        if len(result) > 2:  # noqa: PLR2004  (body, status, headers)
            reply.headers = _header_pairs(result[2])
        return reply

    def _bottle_reply(self, response: Any, call: Call) -> Reply:
        body = response.body
        reply = Reply() if body in (None, "", b"") else self._reply(body, call)
        typed = "Content-Type" in response.headers
        reply.status = response.status_code
        reply.headers = [
            (name, value)
            for name, value in response.headerlist
            if typed or name.lower() != "content-type"
        ]
        return reply

    def _stream_reply(self, result: Any, call: Call) -> Reply:
        if hasattr(result, "read"):
            return Reply(stream=file_parts(result), on_close=getattr(result, "close", None))
        if hasattr(result, "__aiter__"):
            parts = self._loop.iterate(aiter(result), call)
            return Reply(stream=text_parts(parts))
        try:
            return Reply(stream=text_parts(iter(result)))
        except TypeError:
            kind = type(result).__name__
            raise UnusableReply(f"a {kind} is no HTTP answer") from None


def _is_bottle_response(value: object) -> bool:
    bottle = sys.modules.get("bottle")
    return bottle is not None and isinstance(value, bottle.HTTPResponse)


def _json_reply(value: object) -> Reply:
    try:
        return Reply(200, json.dumps(value).encode(), JSON)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnusableReply(f"it is not JSON: {error}") from None


def _list_reply(result: list[Any] | tuple[Any, ...]) -> Reply:
    """Join text, as bottle does; anything else is JSON."""
    if result and all(isinstance(part, str) for part in result):
        return Reply(200, "".join(result).encode())
    if result and all(isinstance(part, bytes) for part in result):
        return Reply(200, b"".join(result))
    return _json_reply(result)


def _header_pairs(headers: Any) -> list[tuple[str, str]]:
    pairs = headers.items() if hasattr(headers, "items") else headers
    return [(str(name), str(value)) for name, value in pairs]
