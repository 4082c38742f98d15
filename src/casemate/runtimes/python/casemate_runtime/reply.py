"""What goes back to the caller, as bytes; and the refusals that the server itself makes.

A reply has either a whole body or a stream of parts. Framing headers are always ours: a handler
that sets Content-Length or Transfer-Encoding itself could make two readings of one answer.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HTML = "text/html; charset=UTF-8"
JSON = "application/json"
PROBLEM = "application/problem+json"

ORDINARY = 200
ORDINARY_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
REASONS = {status.value: status.phrase for status in HTTPStatus}
STATUS_MIN, STATUS_MAX = 200, 599
# Statuses that never carry a body (RFC 9110).
BODILESS = {204, 304}

FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# The server's own business; a handler's values are dropped.
FRAMING_FIELDS = {
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
}


class UnusableReply(Exception):
    """A handler returned something that is no HTTP answer."""


class Reply:
    """Status, headers, and a body or a stream."""

    __slots__ = ("body", "content_type", "failed", "headers", "on_close", "status", "stream")

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        content_type: str = HTML,
        headers: Iterable[tuple[str, str]] = (),
        *,
        stream: Iterator[bytes] | None = None,
        on_close: Callable[[], object] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.stream = stream
        self.on_close = on_close
        # Whether user code failed; counted, not shown.
        self.failed = False

    def head(self, *, keep_alive: bool, method: bytes, chunked: bool) -> bytes:
        """Write the status line and headers; raises UnusableReply before any byte is sent."""
        status = self.status
        if keep_alive and self._ordinary():
            # The most frequent answer, without a line for each of its parts.
            return ORDINARY_HEAD % (self.content_type.encode(), len(self.body))
        if not STATUS_MIN <= status <= STATUS_MAX:
            raise UnusableReply(f"status {status} is not between {STATUS_MIN} and {STATUS_MAX}")
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
        typed = False
        for name, value in self.headers:
            lowered = name.lower()
            if lowered in FRAMING_FIELDS:
                continue
            # ATTACK: response splitting, by a line break in a value that came from a request. See
            # test_line_break_in_a_response_header_is_refused.
            if not FIELD_NAME.fullmatch(name) or not FIELD_VALUE.fullmatch(value):
                raise UnusableReply("a response header holds characters that are not allowed")
            typed = typed or lowered == "content-type"
            lines.append(f"{name}: {value}")
        if not typed and self.content_type and status not in BODILESS:
            lines.append(f"Content-Type: {self.content_type}")
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.stream is None and status not in BODILESS:
            lines.append(f"Content-Length: {self._length(method)}")
        if not keep_alive:
            lines.append("Connection: close")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1")

    def _ordinary(self) -> bool:
        return self.status == ORDINARY and self.headers == () and bool(self.body)

    def _length(self, method: bytes) -> int:
        if method == b"HEAD" and not self.body:
            for name, value in self.headers:
                if name.lower() == "content-length" and value.isdigit():
                    return int(value)
        return len(self.body)

    def close(self) -> None:
        """Let the handler's stream and its context go."""
        for closing in (getattr(self.stream, "close", None), self.on_close):
            if closing is not None:
                closing()


def problem(status: int, detail: str, request_id: str = "") -> Reply:
    """Describe a refusal as RFC 9457 does; never more than the caller may know."""
    fields = {"type": "about:blank", "title": REASONS.get(status, ""), "status": status}
    if detail:
        fields["detail"] = detail
    if request_id:
        fields["request_id"] = request_id
    body = json.dumps(fields).encode()
    headers = [("X-Request-Id", request_id)] if request_id else []
    return Reply(status, body, PROBLEM, headers)


def text_reply(status: int, text: str) -> Reply:
    """Answer one line of plain text."""
    return Reply(status, text.encode(), "text/plain; charset=utf-8")
