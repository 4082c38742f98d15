"""Read a compact JWS strictly, so that every text has one meaning or none.

Owns base64url (canonical, unpadded), JSON objects (duplicate members, NaN and deep nesting are
refused) and the three-part form with its size limit. Everything returned is still untrusted: only
`signatures.open_compact` turns it into something that a key vouches for.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from casemate.identity.principals import Denial, DenialCode

# Far above any token of ours (under 700 bytes) and above what identity providers issue in practice;
# also bounds the work that one unauthenticated request can cause.
MAX_TOKEN_BYTES = 8 * 1024
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*\Z")


@dataclass(frozen=True, slots=True)
class UntrustedToken:
    """A well-formed compact JWS that nobody has vouched for yet."""

    header: dict[str, Any]
    payload: bytes
    signature: bytes


def decode_base64url(text: bytes) -> bytes | None:
    """Decode canonical, unpadded base64url; None for anything else.

    ATTACK: decoders that skip foreign characters or spare bits let one signed token be written in
    many ways, past any revocation by its text. tests/unit/identity/test_compact.py
    """
    if len(text) % 4 == 1 or _BASE64URL.match(text) is None:
        return None
    decoded = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    return decoded if encode_base64url(decoded) == text else None


def encode_base64url(raw: bytes) -> bytes:
    """Encode as base64url without padding."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL_ALPHABET, b"=")


_TO_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def parse_json_object(raw: bytes) -> dict[str, Any] | None:
    """Parse one JSON object in UTF-8; None when it is anything else or ambiguous."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_refuse_duplicates,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        return None
    return value if type(value) is dict else None


def parse_compact(token: str) -> UntrustedToken | Denial:
    """Split and decode `header.payload.signature`; checks form only, never truth."""
    if len(token) > MAX_TOKEN_BYTES:
        return Denial(DenialCode.TOKEN_TOO_LARGE, f"more than {MAX_TOKEN_BYTES} bytes")
    if not token.isascii():
        return Denial(DenialCode.TOKEN_MALFORMED, "characters outside ASCII")
    parts = token.encode("ascii").split(b".")
    if len(parts) != 3:  # noqa: PLR2004  # header, payload, signature
        return Denial(DenialCode.TOKEN_MALFORMED, "not three parts")
    decoded = [decode_base64url(part) for part in parts]
    raw_header, payload, signature = decoded
    if not raw_header or not payload or not signature:
        return Denial(DenialCode.TOKEN_MALFORMED, "a part is empty or not canonical base64url")
    header = parse_json_object(raw_header)
    if header is None:
        return Denial(DenialCode.TOKEN_MALFORMED, "the header is not one unambiguous JSON object")
    return UntrustedToken(header, payload, signature)
