from __future__ import annotations

from typing import Any

import pytest

from casemate.identity.keys import KeySet, SigningKey
from casemate.identity.principals import Denial, DenialCode, Principal
from casemate.identity.tokens import (
    CLOCK_LEEWAY_SECONDS,
    UnmintableToken,
    function_audience,
    verify_bearer,
)
from support.tokens import AUDIENCE, ISSUER, KEYS, NOW, a_token, forged


def verified(token: str, **changes: Any) -> Principal | Denial:
    expected: dict[str, Any] = {"audience": AUDIENCE, "issuer": ISSUER, "keys": KEYS, "now": NOW}
    return verify_bearer(token, **(expected | changes))


def test_minted_token_names_its_caller() -> None:
    principal = verified(a_token(subject="alice", client_id="cli"))

    assert isinstance(principal, Principal)
    assert (principal.subject, principal.client_id) == ("alice", "cli")
    assert (principal.issuer, principal.audience) == (ISSUER, AUDIENCE)
    assert (principal.issued_at, principal.expires_at) == (NOW, NOW + 600)


def test_audience_names_one_function() -> None:
    assert function_audience("https://i/", "shop", "cart") == "https://i/functions/shop/cart"


def test_every_token_has_its_own_id() -> None:
    first, second = verified(a_token()), verified(a_token())

    assert isinstance(first, Principal)
    assert isinstance(second, Principal)
    assert first.token_id != second.token_id


@pytest.mark.parametrize(
    "changes",
    [
        {"lifetime_seconds": 601},
        {"lifetime_seconds": 0},
        {"lifetime_seconds": -1},
        {"subject": ""},
        {"subject": "a\nb"},
        {"client_id": "é"},
        {"audience": "x" * 257},
    ],
)
def test_token_that_would_be_refused_is_not_minted(changes: dict[str, Any]) -> None:
    with pytest.raises(UnmintableToken):
        a_token(**changes)


def test_token_of_another_function_is_told_apart_from_a_bad_token() -> None:
    denial = verified(a_token(), audience=function_audience(ISSUER, "default", "other"))

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.AUDIENCE_WRONG


@pytest.mark.parametrize(
    "audience",
    [
        [AUDIENCE],
        [AUDIENCE, "other"],
        AUDIENCE + "/",
        AUDIENCE.upper(),
        AUDIENCE[:-1],
        "",
        None,
        1,
        {},
    ],
)
def test_audience_is_one_text_exactly_equal(audience: object) -> None:
    denial = verified(forged({"aud": audience}))

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.AUDIENCE_WRONG


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (NOW + 59, None),
        (NOW + 60, DenialCode.TOKEN_EXPIRED),
        (NOW + 61, DenialCode.TOKEN_EXPIRED),
        (NOW - CLOCK_LEEWAY_SECONDS, None),
        (NOW - CLOCK_LEEWAY_SECONDS - 1, DenialCode.TOKEN_NOT_YET_VALID),
    ],
)
def test_dates_hold_to_the_second(at: int, code: DenialCode | None) -> None:
    outcome = verified(forged({"exp": NOW + 60}), now=at)

    assert (outcome.code if isinstance(outcome, Denial) else None) == code


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"nbf": NOW + 30}, DenialCode.TOKEN_NOT_YET_VALID),
        ({"exp": NOW + 601}, DenialCode.LIFETIME_TOO_LONG),
        ({"exp": str(NOW + 60)}, DenialCode.CLAIMS_INVALID),
        ({"exp": NOW + 60.5}, DenialCode.CLAIMS_INVALID),
        ({"exp": True}, DenialCode.CLAIMS_INVALID),
        ({"iat": None}, DenialCode.CLAIMS_INVALID),
        ({"nbf": "0"}, DenialCode.CLAIMS_INVALID),
        ({"iss": "http://127.0.0.1:8089"}, DenialCode.ISSUER_UNKNOWN),
        ({"iss": [ISSUER]}, DenialCode.ISSUER_UNKNOWN),
        ({"sub": ""}, DenialCode.CLAIMS_INVALID),
        ({"sub": "a\r\nx-casemate-principal: root"}, DenialCode.CLAIMS_INVALID),
        ({"sub": "ü"}, DenialCode.CLAIMS_INVALID),
        ({"sub": 1}, DenialCode.CLAIMS_INVALID),
        ({"client_id": "x" * 257}, DenialCode.CLAIMS_INVALID),
        ({"jti": None}, DenialCode.CLAIMS_INVALID),
        (b"[]", DenialCode.CLAIMS_INVALID),
        (b'{"aud":"a","aud":"b"}', DenialCode.CLAIMS_INVALID),
    ],
)
def test_claims_outside_the_contract_are_refused(claims: Any, code: DenialCode) -> None:
    denial = verified(forged(claims))

    assert isinstance(denial, Denial)
    assert denial.code == code


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"])
def test_no_required_claim_may_be_missing(missing: str) -> None:
    assert isinstance(verified(forged(without=missing)), Denial)


def test_not_before_is_optional() -> None:
    assert isinstance(verified(forged()), Principal)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "id_token+jwt", ""])
def test_other_signed_statements_of_the_issuer_are_refused(typ: str) -> None:
    denial = verified(forged(header={"typ": typ}))

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.TYPE_REFUSED


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_access_token_type_is_a_media_type(typ: str) -> None:
    assert isinstance(verified(forged(header={"typ": typ})), Principal)


def test_token_without_a_type_is_refused() -> None:
    denial = verified(forged(header={"typ": None}))

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.TYPE_REFUSED


def test_token_of_a_key_that_left_the_set_is_refused() -> None:
    successor = KeySet.parse(SigningKey.generate().public_jwks())

    denial = verified(a_token(), keys=successor)

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.KEY_UNKNOWN
