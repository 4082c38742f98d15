from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey

from casemate.identity.keys import MAX_KEYS, InvalidKeySet, KeyRing, KeySet, SigningKey


def a_jwk(**changes: Any) -> dict[str, Any]:
    jwk: dict[str, Any] = SigningKey.generate().public_jwk() | changes
    return {name: value for name, value in jwk.items() if value is not None}


def test_public_key_set_never_holds_the_private_part() -> None:
    jwk = SigningKey.generate().public_jwk()

    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_key_id_is_the_thumbprint_of_the_public_key() -> None:
    key = SigningKey.generate()

    public = ECKey.import_key({name: key.public_jwk()[name] for name in ("kty", "crv", "x", "y")})

    assert key.kid == public.thumbprint()


def test_representation_of_a_signing_key_shows_only_its_id() -> None:
    key = SigningKey.generate()

    assert repr(key) == f"SigningKey({key.kid})"


@pytest.mark.parametrize(
    "unfit", [ECKey.generate_key("P-384", private=True), ECKey.generate_key("P-256", private=False)]
)
def test_only_a_private_p256_key_signs(unfit: ECKey) -> None:
    with pytest.raises(InvalidKeySet):
        SigningKey.of(unfit)


def test_fingerprint_follows_the_contents() -> None:
    first, second = a_jwk(), a_jwk()

    same = KeySet.parse({"keys": [first]}).fingerprint, KeySet.parse({"keys": [first]}).fingerprint

    assert same[0] == same[1]
    assert same[0] != KeySet.parse({"keys": [second]}).fingerprint


def test_minimal_public_key_is_accepted() -> None:
    keys = KeySet.parse({"keys": [a_jwk(use=None, alg=None)]})

    assert [key.algorithm for key in keys.by_kid.values()] == ["ES256"]


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": [a_jwk() for _ in range(MAX_KEYS + 1)]},
        {"keys": ["text"]},
    ],
)
def test_what_is_no_key_set_is_refused(jwks: object) -> None:
    with pytest.raises(InvalidKeySet):
        KeySet.parse(jwks)


@pytest.mark.parametrize(
    "changes",
    [
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"kid": None},
        {"kid": ""},
        {"kid": 1},
        {"kid": "x" * 257},
        {"kty": "oct"},
        {"kty": None},
        {"crv": "P-384"},
        {"crv": ["P-256"]},
        {"alg": "HS256"},
        {"use": "enc"},
        {"key_ops": ["verify", "sign"]},
        {"key_ops": []},
        {"x": 1},
        {"x": "AAAA"},
        {"y": None},
        {"y": "A" * 43},
        {"x": "=" * 43},
        {"x": "é" * 43},
    ],
)
def test_one_key_that_is_not_fully_understood_spoils_the_set(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidKeySet):
        KeySet.parse({"keys": [a_jwk(), a_jwk(**changes)]})


def test_two_keys_under_one_id_are_refused() -> None:
    with pytest.raises(InvalidKeySet, match="share one"):
        KeySet.parse({"keys": [a_jwk(kid="same"), a_jwk(kid="same")]})


def test_rotation_signs_with_the_successor_and_still_verifies_the_predecessor() -> None:
    first, second, third = (SigningKey.generate() for _ in range(3))
    ring = KeyRing(first)

    ring = ring.rotate(second).rotate(third)

    assert ring.active is third
    assert set(KeySet.parse(ring.public_jwks()).by_kid) == {third.kid, second.kid}
