"""The request object that python312 handlers know, made by bottle from our request.

Imported with the first handler that touches it. As under Kyma the object can be pickled, so that a
handler may give it to a child process.
"""

from __future__ import annotations

import bottle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from casemate_runtime.request import Request

# Parts of the environment that name this process's own objects.
UNPICKLABLE = ("wsgi.errors", "bottle.request", "bottle.app")


class PickableRequest(bottle.BaseRequest):  # type: ignore[misc]
    """Bottle's request over a body that is in memory already."""

    __slots__ = ()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.environ.items() if k not in UNPICKLABLE}

    def __setstate__(self, environ: dict[str, Any]) -> None:
        bottle.BaseRequest.__init__(self, environ)


def make_request(request: Request) -> PickableRequest:
    """Describe the request to bottle; body, json, forms and files are read from memory."""
    # The body is within the server's own limit by now: bottle's lower one would refuse it again.
    bottle.BaseRequest.MEMFILE_MAX = max(bottle.BaseRequest.MEMFILE_MAX, len(request.body) + 1)
    environ = request.wsgi_environ()
    environ["bottle.request.body"] = environ["wsgi.input"]
    environ["bottle.app"] = bottle.default_app()
    return PickableRequest(environ)
