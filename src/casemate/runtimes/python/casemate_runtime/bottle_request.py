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

BODY = "bottle.request.body"


class PickableRequest(bottle.BaseRequest):  # type: ignore[misc]
    """Bottle's request over a body that is in memory already."""

    __slots__ = ()

    def __getstate__(self) -> dict[str, Any]:
        # Without this process's own objects, and what bottle made of the rest.
        dropped = ("wsgi.errors", "bottle.")
        return {
            name: value
            for name, value in self.environ.items()
            if name == BODY or not name.startswith(dropped)
        }

    def __setstate__(self, environ: dict[str, Any]) -> None:
        bottle.BaseRequest.__init__(self, environ)


def make_request(request: Request) -> PickableRequest:
    """Describe the request to bottle; body, json, forms and files are read from memory."""
    # The body is within the server's own limit by now: bottle's lower one would refuse it again.
    bottle.BaseRequest.MEMFILE_MAX = max(bottle.BaseRequest.MEMFILE_MAX, len(request.body) + 1)
    environ = request.wsgi_environ()
    environ[BODY] = environ["wsgi.input"]
    environ["bottle.app"] = bottle.default_app()
    return PickableRequest(environ)
