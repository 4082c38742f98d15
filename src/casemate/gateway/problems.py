"""Every refusal of the gateway: status, stable code, one safe sentence (RFC 9457 problem+json).

Callers learn the status, the code and a request id; why exactly a token was refused is for the log.
The table is closed: no other place in the package writes a status of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal. `closes` marks those after which message boundaries are in doubt."""

    code: str
    status: int
    detail: str
    closes: bool = False
    fields: bytes = b""
    title: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the title from the status, as RFC 9110 names it."""
        object.__setattr__(self, "title", _reason(self.status))


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


_RETRY_SOON = b"retry-after: 1\r\n"
_CHALLENGE = b'www-authenticate: Bearer realm="casemate"'

BAD_REQUEST = Problem("BadRequest", 400, "the request is not unambiguous HTTP/1.1", closes=True)
BAD_HOST = Problem("BadHost", 400, "exactly one valid Host header is needed", closes=True)
AMBIGUOUS_PATH = Problem(
    "AmbiguousPath", 400, "the path has more than one reading, or none", closes=True
)
AUTHORIZATION_MALFORMED = Problem(
    "AuthorizationMalformed",
    400,
    "exactly one Authorization header of the form `Bearer TOKEN` is understood",
    fields=_CHALLENGE + b', error="invalid_request"\r\n',
)
UNAUTHENTICATED = Problem(
    "Unauthenticated", 401, "a token for this Function is needed", fields=_CHALLENGE + b"\r\n"
)
INVALID_TOKEN = Problem(
    "InvalidToken",
    401,
    "the token is not valid or has expired",
    fields=_CHALLENGE + b', error="invalid_token"\r\n',
)
WRONG_AUDIENCE = Problem(
    "WrongAudience",
    403,
    "the token is not for this Function",
    fields=_CHALLENGE + b', error="insufficient_scope"\r\n',
)
NOT_FOUND = Problem("NotFound", 404, "no Function answers at this address")
METHOD_NOT_ALLOWED = Problem("MethodNotAllowed", 405, "the Function does not take this method")
REQUEST_STALLED = Problem("RequestStalled", 408, "the request did not arrive in time", closes=True)
FUNCTION_TIMEOUT = Problem("FunctionTimeout", 408, "the Function did not answer in its time")
BODY_TOO_LARGE = Problem(
    "BodyTooLarge", 413, "the body is larger than the Function takes", closes=True
)
URL_TOO_LONG = Problem("UrlTooLong", 414, "the address is too long", closes=True)
EXPECTATION_FAILED = Problem(
    "ExpectationFailed", 417, "only `100-continue` can be expected", closes=True
)
MISDIRECTED = Problem("Misdirected", 421, "this host is not served here")
TOO_MANY_REQUESTS = Problem(
    "TooManyRequests", 429, "too many requests wait for this Function", fields=_RETRY_SOON
)
HEAD_TOO_LARGE = Problem("HeadTooLarge", 431, "the header fields are too large", closes=True)
INTERNAL = Problem("Internal", 500, "the gateway failed and let nothing through")
UPGRADE_REFUSED = Problem(
    "UpgradeRefused", 501, "only WebSocket can be upgraded to, without a body", closes=True
)
BAD_ANSWER = Problem("BadAnswer", 502, "the Function's answer was not valid HTTP/1.1")
NOT_READY = Problem("NotReady", 503, "the gateway has no routes yet", fields=_RETRY_SOON)
FUNCTION_STARTING = Problem(
    "FunctionStarting", 503, "the Function is still starting", fields=_RETRY_SOON
)
FUNCTION_FAILED = Problem(
    "FunctionFailed", 503, "the Function cannot run now", fields=b"retry-after: 5\r\n"
)
FUNCTION_DRAINING = Problem(
    "FunctionDraining", 503, "the Function is being stopped", fields=_RETRY_SOON
)
QUEUE_TIMEOUT = Problem(
    "QueueTimeout", 503, "no instance of the Function was free in time", fields=_RETRY_SOON
)
INSTANCE_LOST = Problem(
    "InstanceLost", 503, "the instance ended before it answered", fields=_RETRY_SOON
)
TOO_MANY_CONNECTIONS = Problem(
    "TooManyConnections",
    503,
    "the gateway holds as many connections as it may",
    closes=True,
    fields=_RETRY_SOON,
)
CONNECT_TIMEOUT = Problem("ConnectTimeout", 504, "the instance did not take the request in time")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Problem))

STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_reason(status)}\r\n".encode() for status in range(100, 600)
}


def encode_problem(
    problem: Problem, request_id: str, *, reason: str = "", fields: bytes = b"", close: bool
) -> bytes:
    """Write the whole answer.

    `reason` is a condition reason such as `OOMKilled`; `fields` are further header lines.
    """
    members = {
        "type": f"urn:casemate:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:casemate:request:{request_id}",
        "code": problem.code,
        "request_id": request_id,
    }
    if reason:
        members["reason"] = reason
    body = json.dumps(members, separators=(",", ":")).encode()
    return b"".join(
        (
            STATUS_LINES[problem.status],
            b"content-type: application/problem+json\r\ncache-control: no-store\r\n",
            problem.fields,
            fields,
            b"x-request-id: %b\r\ncontent-length: %d\r\n" % (request_id.encode(), len(body)),
            b"connection: close\r\n\r\n" if close else b"\r\n",
            body,
        )
    )
