from __future__ import annotations

from casemate.identity.principals import Principal
from casemate.identity.token_cache import TokenCache
from support.tokens import AUDIENCE, ISSUER, NOW


def a_principal(subject: str = "alice", expires_at: int = NOW + 60) -> Principal:
    return Principal(subject, ISSUER, AUDIENCE, "cli", "1", NOW, expires_at)


def test_hit_needs_the_same_token_issuer_and_audience() -> None:
    cache: TokenCache[Principal] = TokenCache()
    cache.remember(b"t", ISSUER, AUDIENCE, a_principal())

    assert cache.find(b"t", ISSUER, AUDIENCE, NOW) == a_principal()
    assert cache.find(b"u", ISSUER, AUDIENCE, NOW) is None
    assert cache.find(b"t", "other", AUDIENCE, NOW) is None
    assert cache.find(b"t", ISSUER, "other", NOW) is None


def test_expired_entry_is_dropped_at_the_second_it_expires() -> None:
    cache: TokenCache[Principal] = TokenCache()
    cache.remember(b"t", ISSUER, AUDIENCE, a_principal(expires_at=NOW + 60))

    assert cache.find(b"t", ISSUER, AUDIENCE, NOW + 59) is not None
    assert cache.find(b"t", ISSUER, AUDIENCE, NOW + 60) is None
    assert len(cache) == 0


def test_full_cache_drops_its_oldest_entry() -> None:
    cache: TokenCache[Principal] = TokenCache(capacity=2)

    for token in (b"1", b"2", b"3"):
        cache.remember(token, ISSUER, AUDIENCE, a_principal())

    assert len(cache) == 2
    assert cache.find(b"1", ISSUER, AUDIENCE, NOW) is None
    assert cache.find(b"3", ISSUER, AUDIENCE, NOW) is not None


def test_change_of_keys_forgets_everything() -> None:
    cache: TokenCache[Principal] = TokenCache()
    cache.remember(b"t", ISSUER, AUDIENCE, a_principal())

    cache.forget_all()

    assert cache.find(b"t", ISSUER, AUDIENCE, NOW) is None
