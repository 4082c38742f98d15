"""The surface of python314: `main()` without arguments, over flask's request context.

Flask is never loaded by us: a handler that does not import it cannot read `flask.request` either,
and is answered by the few rules below, which are flask's. Where user code has imported it, flask
itself makes the request and turns what the handler returns into a response.
"""

from __future__ import annotations

import json
import sys

from casemate_runtime.reply import JSON, Reply, UnusableReply
from casemate_runtime.streaming import text_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from casemate_runtime.call import Call
    from casemate_runtime.invocation import EventLoop
    from casemate_runtime.settings import Settings
    from casemate_runtime.tracing import Tracing

# Flask's spelling.
HTML = "text/html; charset=utf-8"


class PlainInvocation:
    """Calls `main()` and turns what it returns into a reply."""

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
        self._settings = settings
        self._surface: Any = None

    def __call__(self, call: Call) -> Reply:
        """Serve one call, through flask if user code knows it."""
        self._tracing.enter(call.request)
        if "flask" in sys.modules:
            if self._surface is None:
                from casemate_runtime.flask_surface import FlaskSurface  # noqa: PLC0415

                self._surface = FlaskSurface(self._settings, self._loop)
            return self._surface.serve(call, self._handler)  # type: ignore[no-any-return]
        result = self._handler()
        if hasattr(result, "__await__"):
            result = self._loop.wait(result, call)
        if "flask" in sys.modules:
            # The handler imported it on the way: its answer may be one of flask's objects.
            return self._late_flask(call, result)
        return self._reply(result, call)

    def _late_flask(self, call: Call, result: object) -> Reply:
        from casemate_runtime.flask_surface import FlaskSurface  # noqa: PLC0415

        self._surface = FlaskSurface(self._settings, self._loop)
        return self._surface.serve(call, lambda: result)  # type: ignore[no-any-return]

    def _reply(self, result: Any, call: Call) -> Reply:
        if isinstance(result, tuple):
            return self._tuple_reply(result, call)
        if isinstance(result, str):
            return Reply(200, result.encode(), HTML)
        if isinstance(result, bytes | bytearray):
            return Reply(200, bytes(result), HTML)
        if isinstance(result, dict | list):
            try:
                return Reply(200, json.dumps(result).encode() + b"\n", JSON)
            except (TypeError, ValueError, RecursionError) as error:
                raise UnusableReply(f"it is not JSON: {error}") from None
        if hasattr(result, "__aiter__"):
            parts = self._loop.iterate(aiter(result), call)
            return Reply(200, content_type=HTML, stream=text_parts(parts))
        if hasattr(result, "__next__"):
            return Reply(200, content_type=HTML, stream=text_parts(result))
        raise UnusableReply(f"a {type(result).__name__} is no HTTP answer")

    def _tuple_reply(self, result: tuple[Any, ...], call: Call) -> Reply:
        """Read (body, status), (body, headers) or (body, status, headers)."""
        if not 2 <= len(result) <= 3:  # noqa: PLR2004
            raise UnusableReply("a tuple must be (body, status, headers), or two of them")
        reply = self._reply(result[0], call)
        for extra in result[1:]:
            if isinstance(extra, int):
                reply.status = extra
            else:
                pairs = extra.items() if hasattr(extra, "items") else extra
                reply.headers = [(str(name), str(value)) for name, value in pairs]
        return reply
