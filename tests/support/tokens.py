"""Builders of keys and tokens, good ones and forged ones."""

from __future__ import annotations

import json
from typing import Any

from joserfc import jws

from casemate.identity.compact import encode_base64url
from casemate.identity.keys import KeySet, SigningKey
from casemate.identity.tokens import function_audience, mint

ISSUER = "http://127.0.0.1:8088"
NOW = 1_800_000_000
KEY = SigningKey.generate()
KEYS = KeySet.parse(KEY.public_jwks())
AUDIENCE = function_audience(ISSUER, "default", "hello")


def a_token(key: SigningKey = KEY, **changes: Any) -> str:
    """A token that opens the Function default/hello at NOW, unless told otherwise."""
    claims: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "subject": "alice",
        "client_id": "cli",
        "now": NOW,
    }
    return mint(key, **(claims | changes))


def forged(
    claims: dict[str, Any] | bytes | None = None,
    header: dict[str, Any] | None = None,
    key: SigningKey = KEY,
    *,
    without: str = "",
) -> str:
    """A token with a true signature of `key` over whatever header and claims are given."""
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "cli",
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "1",
    }
    if isinstance(claims, bytes):
        payload = claims
    else:
        merged = good | (claims or {})
        merged.pop(without, None)
        payload = json.dumps(merged).encode()
    full = {"alg": "ES256", "kid": key.kid, "typ": "at+jwt"} | (header or {})
    full = {name: value for name, value in full.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    return jws.serialize_compact(full, payload, key.private, registry=registry)


def spliced(header: dict[str, Any], token: str) -> str:
    """`token` with another header put in front of the same payload and signature."""
    head = encode_base64url(json.dumps(header).encode()).decode()
    return ".".join([head, *token.split(".")[1:]])
