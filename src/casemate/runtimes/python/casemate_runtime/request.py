"""One HTTP request as it was framed, before any user-facing object is made of it.

Names of headers are lower-case bytes, values bytes: most requests reach their handler without a
single one of them being decoded. `wsgi_environ` is the form that bottle and flask read.
"""

from __future__ import annotations

import io
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What may stand in a log line and a header without being quoted.
VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

# The WSGI names of headers that were seen, None where a name is dropped. Bounded: names are the
# caller's choice.
WSGI_NAMES: dict[bytes, str | None] = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
}
WSGI_NAMES_LIMIT = 256
WSGI_CONSTANTS = {
    "SCRIPT_NAME": "",
    "REMOTE_ADDR": "",
    "wsgi.version": (1, 0),
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


class Request:
    """Method, target, headers and the whole body of one request."""

    __slots__ = ("body", "fields", "headers", "keep_alive", "method", "target", "version")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        fields: dict[bytes, bytes],
        version: str,
        body: bytes,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        # Of repeated names the last one; the names where that matters may not repeat (framing).
        self.fields = fields
        self.version = version
        # Whether the caller lets the connection live on; the parser knows.
        self.keep_alive = False
        self.body = body

    @property
    def path(self) -> bytes:
        """The target without its query, still percent-encoded."""
        return self.target.partition(b"?")[0]

    @property
    def media_type(self) -> str:
        """The content type without parameters, lower case."""
        value = self.fields.get(b"content-type")
        if value is None:
            return ""
        return value.partition(b";")[0].strip().lower().decode("latin-1")

    def request_id(self) -> str:
        """Return the gateway's id, or make one where there is none to trust."""
        given = self.fields.get(b"x-request-id", b"")
        if VALID_REQUEST_ID.fullmatch(given):
            return given.decode()
        return os.urandom(8).hex()

    def text_headers(self) -> dict[str, str]:
        """Headers as text, repeated ones joined."""
        joined: dict[str, str] = {}
        for name, value in self.headers:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            joined[key] = f"{joined[key]}, {text}" if key in joined else text
        return joined

    def wsgi_environ(self) -> dict[str, Any]:
        """Describe the request as PEP 3333 says; paths are decoded bytes in latin-1."""
        path, _, query = self.target.partition(b"?")
        host, _, port = self.fields.get(b"host", b"localhost").decode("latin-1").partition(":")
        scheme = self.fields.get(b"x-forwarded-proto", b"http").decode("latin-1")
        if b"%" in path:
            from urllib.parse import unquote_to_bytes  # noqa: PLC0415  only who needs it pays

            path = unquote_to_bytes(path)
        environ: dict[str, Any] = {
            **WSGI_CONSTANTS,
            "REQUEST_METHOD": self.method.decode("latin-1"),
            "PATH_INFO": path.decode("latin-1"),
            "RAW_URI": self.target.decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "SERVER_NAME": host,
            "SERVER_PORT": port or "80",
            "SERVER_PROTOCOL": f"HTTP/{self.version}",
            "wsgi.url_scheme": scheme if scheme in {"http", "https"} else "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": sys.stderr,
        }
        for name, value in self.headers:
            key = WSGI_NAMES[name] if name in WSGI_NAMES else wsgi_name(name)
            if key is None:
                continue
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        environ["CONTENT_LENGTH"] = str(len(self.body))
        return environ


def wsgi_name(name: bytes) -> str | None:
    """Return a header's name in a WSGI environment, or None for one that is left out."""
    # ATTACK: `X_Request_Id` and `X-Request-Id` are one WSGI name, so a caller could put a value
    # beside the gateway's own. test_underscored_header_does_not_replace_the_gateways
    key = None if b"_" in name else "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(WSGI_NAMES) < WSGI_NAMES_LIMIT:
        WSGI_NAMES[name] = key
    return key
