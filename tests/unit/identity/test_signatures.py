from __future__ import annotations

from typing import Any

import pytest

from casemate.identity.keys import SigningKey
from casemate.identity.principals import Denial, DenialCode
from casemate.identity.signatures import SignedPayload, open_compact
from support.tokens import KEY, KEYS, a_token, forged, spliced

HEADER = {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}


def test_signature_of_a_known_key_opens_the_payload() -> None:
    outcome = open_compact(forged(b'{"a":1}'), KEYS)

    assert outcome == SignedPayload("at+jwt", b'{"a":1}')


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": KEY.public_jwk()},
        {"jku": "http://127.0.0.1/jwks"},
        {"x5c": ["AAAA"]},
        {"x5u": "http://127.0.0.1/cert"},
        {"crit": ["exp"]},
        {"b64": False},
        {"anything": 1},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_header_that_brings_a_key_or_a_rule_is_refused(extra: dict[str, Any]) -> None:
    outcome = open_compact(spliced(HEADER | extra, a_token()), KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code == DenialCode.HEADER_REFUSED


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES384", "RS256", "", None, 1, ["ES256"]])
def test_algorithm_comes_from_the_key_and_not_from_the_token(alg: object) -> None:
    outcome = open_compact(spliced(HEADER | {"alg": alg}, a_token()), KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code == DenialCode.ALGORITHM_REFUSED


@pytest.mark.parametrize("kid", ["unknown", "../../etc/passwd", "", None, 1, {"a": 1}])
def test_key_id_must_name_a_known_key(kid: object) -> None:
    outcome = open_compact(spliced(HEADER | {"kid": kid}, a_token()), KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code == DenialCode.KEY_UNKNOWN


def test_type_that_is_not_text_is_refused() -> None:
    outcome = open_compact(spliced(HEADER | {"typ": ["at+jwt"]}, a_token()), KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code == DenialCode.TYPE_REFUSED


@pytest.mark.parametrize("signature", ["AAAA", "A" * 86, "A" * 90])
def test_signature_of_wrong_length_or_value_is_refused(signature: str) -> None:
    token = a_token().rsplit(".", 1)[0] + "." + signature

    outcome = open_compact(token, KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code in {DenialCode.SIGNATURE_INVALID, DenialCode.TOKEN_MALFORMED}


def test_signature_of_a_stranger_under_a_known_id_is_refused() -> None:
    stranger = SigningKey.generate()

    outcome = open_compact(forged(header={"kid": KEY.kid}, key=stranger), KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code == DenialCode.SIGNATURE_INVALID


def test_malformed_text_is_denied_before_any_key_is_looked_up() -> None:
    outcome = open_compact("not a token", KEYS)

    assert isinstance(outcome, Denial)
    assert outcome.code == DenialCode.TOKEN_MALFORMED
