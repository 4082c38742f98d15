"""Keys: what may sign, what may verify, and how the two are kept apart.

A `SigningKey` holds a private key and never leaves the engine; a `KeySet` holds public keys only
and refuses, rather than skips, any key it does not fully understand: a set that was tampered with
or misread must not shrink silently to the keys that an attacker left in it. A key's algorithm comes
from the key, never from a token. Only `key_files` touches the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from casemate.errors import InvalidInput
from casemate.identity.compact import decode_base64url

# The algorithm belongs to the key. RSA (>= 2048 bits) and Ed25519 join here with trusted issuers.
ALGORITHM_BY_CURVE = {"P-256": "ES256"}
COORDINATE_BYTES = 32
MAX_KEYS = 16
_MAX_KID_CHARS = 256
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class InvalidKeySet(InvalidInput):
    """A JWKS that may not be used for verification, not even in part."""

    code: ClassVar[str] = "InvalidKeySet"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key with the one algorithm that it may be used with."""

    kid: str
    algorithm: str
    public: ECKey


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The public keys of one issuer, by key id. Equal contents have equal fingerprints."""

    by_kid: Mapping[str, VerifyingKey]
    fingerprint: str

    @classmethod
    def parse(cls, jwks: object) -> Self:
        """Read a JWK Set of public signature keys; raises InvalidKeySet for anything else."""
        members = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(members, list) or not 0 < len(members) <= MAX_KEYS:
            raise InvalidKeySet(f"a key set needs 1 to {MAX_KEYS} keys in `keys`")
        by_kid: dict[str, VerifyingKey] = {}
        for member in members:
            key = _parse_verifying_key(member)
            if key.kid in by_kid:
                # ATTACK: two keys under one id make the choice depend on their order.
                # tests/conformance/jose/test_wycheproof.py
                raise InvalidKeySet("two keys share one `kid`")
            by_kid[key.kid] = key
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return cls(by_kid, hashlib.sha256(canonical.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private P-256 key. Its id is the RFC 7638 thumbprint of its public half."""

    kid: str
    private: ECKey

    def __repr__(self) -> str:
        """Name the key without showing it."""
        return f"SigningKey({self.kid})"

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh key."""
        return cls.of(ECKey.generate_key("P-256", private=True))

    @classmethod
    def of(cls, private: ECKey) -> Self:
        """Wrap a private key; raises InvalidKeySet when it cannot sign ES256."""
        if not private.is_private or private.curve_name not in ALGORITHM_BY_CURVE:
            raise InvalidKeySet("a signing key must be a private P-256 key")
        return cls(private.thumbprint(), private)

    def public_jwk(self) -> dict[str, str]:
        """Return the public half, as a JWKS shows it."""
        public = self.private.as_dict(private=False)
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": str(public["x"]),
            "y": str(public["y"]),
            "kid": self.kid,
            "use": "sig",
            "alg": "ES256",
        }

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return a key set of this key alone."""
        return {"keys": [self.public_jwk()]}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One active signing key, and public halves of earlier keys that tokens may still carry."""

    active: SigningKey
    retired: tuple[dict[str, str], ...] = ()

    def rotate(self, successor: SigningKey) -> Self:
        """Sign with `successor` from now on; tokens of the last key stay valid until they expire.

        Keep one predecessor: tokens live ten minutes at most, so rotate no more often than that.
        """
        return type(self)(successor, (self.active.public_jwk(),))

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return every key that may still verify, the active one first."""
        return {"keys": [self.active.public_jwk(), *self.retired]}


def _parse_verifying_key(member: object) -> VerifyingKey:
    """Check one JWK by rules of our own before the library sees its coordinates only."""
    if not isinstance(member, dict):
        raise InvalidKeySet("a key is not an object")
    if _PRIVATE_MEMBERS & member.keys():
        raise InvalidKeySet("a key set for verification carries private or shared key material")
    kid = member.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_KID_CHARS:
        raise InvalidKeySet("a key has no usable `kid`")
    curve = member.get("crv")
    algorithm = ALGORITHM_BY_CURVE.get(curve) if isinstance(curve, str) else None
    if member.get("kty") != "EC" or algorithm is None:
        raise InvalidKeySet("a key is not of kind EC P-256")
    if member.get("alg", algorithm) != algorithm:
        raise InvalidKeySet("a key names an algorithm that its kind does not have")
    if member.get("use", "sig") != "sig" or member.get("key_ops", ["verify"]) != ["verify"]:
        raise InvalidKeySet("a key is not for verifying signatures")
    return VerifyingKey(kid, algorithm, _import_point(member))


def _import_point(member: dict[str, Any]) -> ECKey:
    for name in ("x", "y"):
        text = member.get(name)
        raw = decode_base64url(text.encode()) if isinstance(text, str) else None
        if raw is None or len(raw) != COORDINATE_BYTES:
            raise InvalidKeySet(f"coordinate `{name}` is not {COORDINATE_BYTES} bytes of base64url")
    point = {"kty": "EC", "crv": member["crv"], "x": member["x"], "y": member["y"]}
    try:
        key = ECKey.import_key(point)
        # The library builds the point lazily; a point off the curve must fail here and now.
        key.public_key  # noqa: B018
    except (JoseError, ValueError) as error:
        raise InvalidKeySet("the point is not on its curve") from error
    return key
