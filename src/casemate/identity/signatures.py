"""Turn a compact JWS into bytes that a known key vouches for, or into a denial.

The library verifies; this module decides which key and which algorithm it may use. The protected
header may carry `alg`, `kid` and `typ` and nothing else: whatever would let a token bring its own
key (`jwk`, `jku`, `x5c`, `x5u`) or change the rules (`crit`, `b64`) is refused by name or unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError

from casemate.identity.compact import parse_compact
from casemate.identity.keys import KeySet
from casemate.identity.principals import Denial, DenialCode

# An allow-list: a header member that we do not know could change what the signature means.
_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
ES256_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """A payload whose signature was verified. Its claims are still unchecked."""

    typ: str | None
    payload: bytes


def open_compact(  # noqa: PLR0911  # one return for each way to fail, in the order checked
    token: str, keys: KeySet
) -> SignedPayload | Denial:
    """Verify the signature of `token` with the key that its `kid` names."""
    untrusted = parse_compact(token)
    if isinstance(untrusted, Denial):
        return untrusted
    header = untrusted.header
    if not header.keys() <= _HEADER_MEMBERS:
        # ATTACK: keys, or addresses of keys, brought along in the token's own header.
        # tests/unit/identity/test_signatures.py
        return Denial(DenialCode.HEADER_REFUSED, "the header carries more than alg, kid and typ")
    kid, algorithm, typ = header.get("kid"), header.get("alg"), header.get("typ")
    if not isinstance(typ, str | None):
        return Denial(DenialCode.TYPE_REFUSED, "`typ` is not text")
    key = keys.by_kid.get(kid) if isinstance(kid, str) else None
    if key is None:
        return Denial(DenialCode.KEY_UNKNOWN, "no key with this `kid`")
    if algorithm != key.algorithm:
        # ATTACK: `none`, or a key used with an algorithm it was not made for.
        # tests/unit/identity/test_signatures.py
        return Denial(DenialCode.ALGORITHM_REFUSED, f"the key's algorithm is {key.algorithm}")
    if len(untrusted.signature) != ES256_SIGNATURE_BYTES:
        return Denial(DenialCode.SIGNATURE_INVALID, "wrong length")
    try:
        jws.deserialize_compact(token, key.public, algorithms=[key.algorithm])
    except (JoseError, ValueError):
        return Denial(DenialCode.SIGNATURE_INVALID, "does not match")
    return SignedPayload(typ, untrusted.payload)
