"""What happens to each header field on its way through, in both directions.

Hop-by-hop fields end here. Fields that speak of identity or of the way a request came are the
gateway's to write; a caller's are dropped before ours are added, in every spelling that some
runtime would read as the same name, so no `Connection` token can remove ours either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum, auto


class Field(IntEnum):
    """What the gateway does with a field that is not simply passed on."""

    DROP = auto()
    HOST = auto()
    AUTHORIZATION = auto()
    CONTENT_LENGTH = auto()
    TRANSFER_ENCODING = auto()
    CONNECTION = auto()
    UPGRADE = auto()
    EXPECT = auto()
    REQUEST_ID = auto()


_HOP_BY_HOP = (
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"http2-settings",
)
REQUEST_FIELDS: dict[bytes, Field] = {
    b"host": Field.HOST,
    b"authorization": Field.AUTHORIZATION,
    b"content-length": Field.CONTENT_LENGTH,
    b"transfer-encoding": Field.TRANSFER_ENCODING,
    b"connection": Field.CONNECTION,
    b"upgrade": Field.UPGRADE,
    b"expect": Field.EXPECT,
    b"x-request-id": Field.REQUEST_ID,
    b"x-caller-request-id": Field.DROP,
    b"forwarded": Field.DROP,
    b"x-real-ip": Field.DROP,
    **dict.fromkeys(_HOP_BY_HOP, Field.DROP),
}
ANSWER_FIELDS: dict[bytes, Field] = {
    b"content-length": Field.CONTENT_LENGTH,
    b"transfer-encoding": Field.TRANSFER_ENCODING,
    b"connection": Field.CONNECTION,
    b"upgrade": Field.UPGRADE,
    b"x-request-id": Field.DROP,
    **dict.fromkeys(_HOP_BY_HOP, Field.DROP),
}
_OURS = (b"x-casemate-", b"x-forwarded-", b"x-original-", b"x-rewrite-")
_CALLER_ID = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}\Z")
_TOKEN = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+\Z")


def is_passed_on(lowered: bytes) -> bool:
    """Whether a request field without a rule of its own may reach the Function."""
    if lowered.startswith(_OURS):
        return False
    if b"_" in lowered:
        # ATTACK: `x_casemate_principal` becomes the same variable as `x-casemate-principal` in
        # every CGI-like runtime. tests/unit/gateway/test_headers.py
        dashed = lowered.replace(b"_", b"-")
        return not dashed.startswith(_OURS) and dashed not in REQUEST_FIELDS
    return True


def connection_tokens(value: bytes) -> frozenset[bytes]:
    """Split a Connection field into its lower-case members."""
    return frozenset(token.strip(b" \t").lower() for token in value.split(b","))


def without_named(lines: Iterable[bytes], tokens: frozenset[bytes]) -> list[bytes]:
    """Drop the lines whose field a Connection header named as hop-by-hop."""
    named = tuple(token + b":" for token in tokens if _TOKEN.match(token))
    return [line for line in lines if not line.startswith(named)]


def caller_request_id(value: bytes) -> bytes:
    """Return the line that keeps a caller's own request id, or nothing when it is not plain."""
    return b"x-caller-request-id: %b\r\n" % value if _CALLER_ID.match(value) else b""


def forwarded_lines(peer: str, host: bytes) -> bytes:
    """Write the fields that say how the request came; `host` was checked by `place_host`."""
    address = peer.encode("ascii", "replace")
    node = b'"[%b]"' % address if b":" in address else address
    return b"".join(
        (
            b"host: %b\r\nx-forwarded-for: %b\r\n" % (host, address),
            b"x-forwarded-host: %b\r\nx-forwarded-proto: http\r\n" % host,
            b'forwarded: for=%b;host="%b";proto=http\r\n' % (node, host),
        )
    )
