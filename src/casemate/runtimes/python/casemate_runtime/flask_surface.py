"""Serves one call inside a flask request context; loaded only where user code uses flask."""

from __future__ import annotations

import flask

from casemate_runtime.call import DeadlineExceeded
from casemate_runtime.reply import Reply
from casemate_runtime.streaming import text_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from casemate_runtime.call import Call
    from casemate_runtime.invocation import EventLoop
    from casemate_runtime.settings import Settings

METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]


class FlaskSurface:
    """One flask application whose only view is the handler, at every path."""

    def __init__(self, settings: Settings, loop: EventLoop) -> None:
        self._loop = loop
        app = self._app = flask.Flask(settings.module_name, root_path=settings.function_dir)
        app.config["MAX_CONTENT_LENGTH"] = settings.body_limit_bytes
        for rule in ("/", "/<path:path>"):
            app.add_url_rule(
                rule, "userfunc_call", methods=METHODS, provide_automatic_options=False
            )

    def serve(self, call: Call, handler: Callable[..., object]) -> Reply:
        """Run the handler with `flask.request` at hand; errors of user code pass through."""
        environ = call.request.wsgi_environ()
        app = self._app
        context = app.request_context(environ)
        context.push()
        try:
            try:
                result = handler()
                if hasattr(result, "__await__"):
                    result = self._loop.wait(result, call)
                if hasattr(result, "__aiter__"):
                    result = text_parts(self._loop.iterate(aiter(result), call))
                response = app.make_response(result)
            except DeadlineExceeded:
                raise
            except Exception as error:
                # flask.abort() and its kin are answers, not failures.
                if not hasattr(error, "get_response"):
                    raise
                response = app.make_response(error.get_response(environ))
            response = app.process_response(response)
        finally:
            context.pop(None)
        return _reply(response, environ)


def _reply(response: Any, environ: dict[str, Any]) -> Reply:
    """Let the response write itself as WSGI, and keep what it wrote."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        started[:] = [status, headers]

    parts = response(environ, start_response)
    status, headers = started
    reply = Reply(int(status.split(" ", 1)[0]), headers=headers, content_type="")
    if response.is_streamed:
        reply.stream = text_parts(iter(parts))
        reply.on_close = response.close
    else:
        reply.body = b"".join(parts)
        response.close()
    return reply
