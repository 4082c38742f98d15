"""The worked examples of RFC 7515 (A.3, an ES256 signature) and RFC 7638 (3.1, a thumbprint)."""

from __future__ import annotations

from joserfc.jwk import RSAKey

from casemate.identity.compact import encode_base64url
from casemate.identity.keys import KeySet
from casemate.identity.principals import DenialCode
from casemate.identity.signatures import open_compact

RFC7515_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "a3",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
RFC7515_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


def test_rfc7515_example_has_no_kid_and_opens_nothing() -> None:
    outcome = open_compact(RFC7515_TOKEN, KeySet.parse({"keys": [RFC7515_KEY]}))

    assert outcome.code == DenialCode.KEY_UNKNOWN


def test_rfc7515_example_key_and_signature_fail_once_a_kid_is_added_to_the_signed_header() -> None:
    header = encode_base64url(b'{"alg":"ES256","kid":"a3"}').decode()
    token = f"{header}.{RFC7515_TOKEN.split('.', 1)[1]}"

    outcome = open_compact(token, KeySet.parse({"keys": [RFC7515_KEY]}))

    assert outcome.code == DenialCode.SIGNATURE_INVALID


def test_thumbprint_agrees_with_rfc7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXj"
        "BZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs"
        "8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G"
        "_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = RSAKey.import_key({"kty": "RSA", "e": "AQAB", "n": modulus})

    assert key.thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
