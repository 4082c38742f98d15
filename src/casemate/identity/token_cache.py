"""Remember verified tokens, so that a warm call pays a hash and not a signature check.

A hit means: this very text was verified, with this key set, for this issuer and audience, and has
not expired. The key holds the token's digest, never the token. `forget_all` must follow every
change of keys. Denials are not kept: a clock or a key set that catches up must be able to help.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Generic, Protocol, TypeVar


class Expiring(Protocol):
    """Anything that stops being true at a second since the epoch."""

    @property
    def expires_at(self) -> int:
        """Return the first second at which it is no longer true."""


Verified = TypeVar("Verified", bound=Expiring)


class TokenCache(Generic[Verified]):
    """A bounded map from (token, issuer, audience) to what was verified."""

    __slots__ = ("_capacity", "_entries")

    def __init__(self, capacity: int = 4096) -> None:
        """Keep at most `capacity` tokens, about 1 KB each; the oldest entry goes first."""
        self._capacity = capacity
        self._entries: dict[tuple[bytes, str, str], Verified] = {}

    def find(self, token: bytes, issuer: str, audience: str, now: int) -> Verified | None:
        """Return what was verified earlier and still holds at `now`."""
        key = (sha256(token).digest(), issuer, audience)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= now:
            del self._entries[key]
            return None
        return entry

    def remember(self, token: bytes, issuer: str, audience: str, verified: Verified) -> None:
        """Keep a verified token; a full cache drops its oldest entry."""
        if len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[(sha256(token).digest(), issuer, audience)] = verified

    def forget_all(self) -> None:
        """Drop everything, because the keys that vouched for it have changed."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
