"""Mint and verify access tokens for one Function (RFC 9068), each with exactly one audience.

`verify_bearer` cannot be called without the audience and the issuer that are expected, and answers
with a Principal or a Denial. A token lives ten minutes at most, whoever minted it. Expiry has no
leeway, because minter and verifier share a clock or keep it by NTP and callers fetch a new token in
time; only `iat` and `nbf` tolerate a clock that was stepped back by a few seconds.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from joserfc import jws

from casemate.errors import InvalidInput
from casemate.identity.compact import parse_json_object
from casemate.identity.keys import KeySet, SigningKey
from casemate.identity.principals import Denial, DenialCode, Principal
from casemate.identity.signatures import open_compact

MAX_LIFETIME_SECONDS = 600
CLOCK_LEEWAY_SECONDS = 5
TOKEN_TYPE = "at+jwt"  # noqa: S105  # the media type of RFC 9068, not a secret
_TOKEN_TYPES = frozenset({TOKEN_TYPE, f"application/{TOKEN_TYPE}"})
_MAX_CLAIM_CHARS = 256


class UnmintableToken(InvalidInput):
    """A token that `verify_bearer` would refuse, so it is not made."""

    code = "UnmintableToken"


def function_audience(issuer: str, namespace: str, name: str) -> str:
    """Name one Function as an audience: the same text when minting, verifying and in status."""
    return f"{issuer.rstrip('/')}/functions/{namespace}/{name}"


def mint(  # noqa: PLR0913  # keyword-only; each is a claim that must be said
    key: SigningKey,
    *,
    issuer: str,
    audience: str,
    subject: str,
    client_id: str,
    now: int,
    lifetime_seconds: int = MAX_LIFETIME_SECONDS,
) -> str:
    """Sign a token that opens `audience` and nothing else; `now` is seconds since the epoch."""
    if not 0 < lifetime_seconds <= MAX_LIFETIME_SECONDS:
        raise UnmintableToken(
            f"a token cannot live {lifetime_seconds} s",
            hint=f"choose 1 to {MAX_LIFETIME_SECONDS} seconds",
        )
    for claim, text in (("sub", subject), ("client_id", client_id), ("aud", audience)):
        if not _is_plain(text):
            raise UnmintableToken(f"claim `{claim}` needs 1 to 256 printable ASCII characters")
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "client_id": client_id,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_seconds,
        "jti": secrets.token_urlsafe(16),
    }
    header = {"alg": "ES256", "kid": key.kid, "typ": TOKEN_TYPE}
    payload = json.dumps(claims, separators=(",", ":"))
    return jws.serialize_compact(header, payload, key.private, algorithms=["ES256"])


def verify_bearer(
    token: str, *, audience: str, issuer: str, keys: KeySet, now: int
) -> Principal | Denial:
    """Turn a bearer string into a Principal, if `issuer` vouches for it and it opens `audience`.

    The audience is compared last: a forged or stale token is a 401 at every door, and only a token
    that is good elsewhere is a 403 here.
    """
    signed = open_compact(token, keys)
    if isinstance(signed, Denial):
        return signed
    if signed.typ is None or signed.typ.lower() not in _TOKEN_TYPES:
        # ATTACK: an ID token or another signed statement of the same issuer used as a key.
        # tests/unit/identity/test_tokens.py
        return Denial(DenialCode.TYPE_REFUSED, f"`typ` is not {TOKEN_TYPE}")
    claims = parse_json_object(signed.payload)
    if claims is None:
        return Denial(DenialCode.CLAIMS_INVALID, "the payload is not one unambiguous JSON object")
    if claims.get("iss") != issuer:
        return Denial(DenialCode.ISSUER_UNKNOWN, "`iss` is not the issuer of this key set")
    refusal = _refuse_dates(claims, now)
    if refusal is not None:
        return refusal
    return _principal(claims, audience)


def _refuse_dates(claims: dict[str, Any], now: int) -> Denial | None:
    issued, expires, not_before = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    # `type` and not `isinstance`: JSON's true would count as 1.
    if type(issued) is not int or type(expires) is not int or type(not_before) is not int:
        return Denial(DenialCode.CLAIMS_INVALID, "`iat`, `exp` and `nbf` must be whole seconds")
    if expires <= now:
        return Denial(DenialCode.TOKEN_EXPIRED, f"expired {now - expires} s ago")
    if max(issued, not_before) > now + CLOCK_LEEWAY_SECONDS:
        return Denial(DenialCode.TOKEN_NOT_YET_VALID, "`iat` or `nbf` lies in the future")
    if expires - issued > MAX_LIFETIME_SECONDS:
        return Denial(DenialCode.LIFETIME_TOO_LONG, f"lives {expires - issued} s")
    return None


def _principal(claims: dict[str, Any], audience: str) -> Principal | Denial:
    texts = [claims.get(name) for name in ("sub", "client_id", "jti")]
    if not all(_is_plain(text) for text in texts):
        # ATTACK: a line break in `sub` would forge headers towards the Function.
        # tests/unit/identity/test_tokens.py
        return Denial(
            DenialCode.CLAIMS_INVALID, "`sub`, `client_id` or `jti` is missing or not plain"
        )
    if claims.get("aud") != audience:
        # ATTACK: a list of audiences is unequal to every text, so it opens nothing.
        # tests/unit/identity/test_tokens.py
        return Denial(DenialCode.AUDIENCE_WRONG, "`aud` is not this Function, and this one only")
    subject, client_id, token_id = (str(text) for text in texts)
    return Principal(
        subject=subject,
        issuer=claims["iss"],
        audience=audience,
        client_id=client_id,
        token_id=token_id,
        issued_at=claims["iat"],
        expires_at=claims["exp"],
    )


def _is_plain(text: object) -> bool:
    """Whether a claim is printable ASCII of sane length, so it can stand in a header and a log."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= _MAX_CLAIM_CHARS
        and text.isascii()
        and text.isprintable()
    )
