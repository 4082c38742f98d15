"""From an Authorization header to a verified caller, or to a denial. Fails closed.

Owns the cache of verified tokens and drops it whenever issuer or keys change. An unexpected error
here is a denial like any other: nothing that could not be checked is let through.
"""

from __future__ import annotations

from dataclasses import dataclass

from casemate.identity.keys import KeySet
from casemate.identity.principals import Denial, DenialCode, Principal
from casemate.identity.token_cache import TokenCache
from casemate.identity.tokens import verify_bearer

_MISSING = Denial(DenialCode.TOKEN_MISSING, "no Authorization header")
_MALFORMED = Denial(DenialCode.AUTHORIZATION_MALFORMED, "not of the form `Bearer TOKEN`")
_SCHEME = b"bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller and the header lines that tell the Function about it."""

    principal: Principal
    expires_at: int
    lines: bytes


class BearerCheck:
    """Verifies tokens of one issuer with one key set at a time."""

    __slots__ = ("_cache", "_issuer", "_keys")

    def __init__(self) -> None:
        self._issuer = ""
        self._keys: KeySet | None = None
        self._cache: TokenCache[Caller] = TokenCache()

    def trust(self, issuer: str, keys: KeySet) -> None:
        """Believe `issuer` with `keys` from now on; a change of either forgets every token."""
        known = self._keys.fingerprint if self._keys else ""
        if (issuer, keys.fingerprint) != (self._issuer, known):
            self._cache.forget_all()
        self._issuer = issuer
        self._keys = keys

    def check(self, authorization: bytes | None, audience: str, now: int) -> Caller | Denial:
        """Verify the header's token for `audience`; a token seen before costs one hash."""
        if authorization is None:
            return _MISSING
        if authorization[:7].lower() != _SCHEME:
            return _MALFORMED
        token = authorization[7:].strip(b" ")
        try:
            return self._cache.find(token, self._issuer, audience, now) or self._verify(
                token, audience, now
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, the answer is no
            # ATTACK: input that makes the check crash must not be input that passes it.
            # tests/unit/gateway/test_bearer.py
            return Denial(DenialCode.CHECK_FAILED, type(error).__name__)

    def _verify(self, token: bytes, audience: str, now: int) -> Caller | Denial:
        if self._keys is None:
            return Denial(DenialCode.KEY_UNKNOWN, "no key set yet")
        outcome = verify_bearer(
            token.decode("latin-1"),
            audience=audience,
            issuer=self._issuer,
            keys=self._keys,
            now=now,
        )
        if isinstance(outcome, Denial):
            return outcome
        lines = (
            f"x-casemate-principal: {outcome.subject}\r\nx-casemate-issuer: {outcome.issuer}\r\n"
        )
        caller = Caller(outcome, outcome.expires_at, lines.encode("ascii"))
        self._cache.remember(token, self._issuer, audience, caller)
        return caller
