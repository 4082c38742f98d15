from __future__ import annotations

import pytest

from casemate.gateway.bearer import BearerCheck, Caller
from casemate.identity.keys import KeySet, SigningKey
from casemate.identity.principals import Denial, DenialCode
from support.tokens import AUDIENCE, ISSUER, KEYS, NOW, a_token, forged


def a_check(issuer: str = ISSUER, keys: KeySet = KEYS) -> BearerCheck:
    check = BearerCheck()
    check.trust(issuer, keys)
    return check


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


def test_good_token_names_the_caller_for_the_function() -> None:
    caller = a_check().check(bearer(a_token(subject="alice")), AUDIENCE, NOW)

    assert isinstance(caller, Caller)
    assert caller.lines == (
        b"x-casemate-principal: alice\r\nx-casemate-issuer: http://127.0.0.1:8088\r\n"
    )


@pytest.mark.parametrize("scheme", [b"bearer ", b"BEARER ", b"Bearer  "])
def test_scheme_is_read_as_the_rfc_says(scheme: bytes) -> None:
    assert isinstance(a_check().check(scheme + a_token().encode(), AUDIENCE, NOW), Caller)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, DenialCode.TOKEN_MISSING),
        (b"", DenialCode.AUTHORIZATION_MALFORMED),
        (b"Bearer", DenialCode.AUTHORIZATION_MALFORMED),
        (b"Basic dXNlcjpwYXNz", DenialCode.AUTHORIZATION_MALFORMED),
        (b"Bearer ", DenialCode.TOKEN_MALFORMED),
        (b"Bearer \xff.a.b", DenialCode.TOKEN_MALFORMED),
        (b"Bearer a.b.c", DenialCode.TOKEN_MALFORMED),
    ],
)
def test_header_without_a_good_token_is_denied(
    authorization: bytes | None, code: DenialCode
) -> None:
    denial = a_check().check(authorization, AUDIENCE, NOW)

    assert isinstance(denial, Denial)
    assert denial.code == code


def test_second_use_is_answered_from_memory() -> None:
    check, token = a_check(), bearer(a_token())

    first = check.check(token, AUDIENCE, NOW)

    assert check.check(token, AUDIENCE, NOW) is first


def test_remembered_token_still_expires() -> None:
    check, token = a_check(), bearer(a_token(lifetime_seconds=60))
    assert isinstance(check.check(token, AUDIENCE, NOW), Caller)

    denial = check.check(token, AUDIENCE, NOW + 60)

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.TOKEN_EXPIRED


def test_remembered_token_does_not_open_another_function() -> None:
    check, token = a_check(), bearer(a_token())
    assert isinstance(check.check(token, AUDIENCE, NOW), Caller)

    denial = check.check(token, AUDIENCE + "x", NOW)

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.AUDIENCE_WRONG


def test_change_of_keys_forgets_tokens_that_were_good() -> None:
    check, token = a_check(), bearer(a_token())
    assert isinstance(check.check(token, AUDIENCE, NOW), Caller)

    check.trust(ISSUER, KeySet.parse(SigningKey.generate().public_jwks()))

    assert isinstance(check.check(token, AUDIENCE, NOW), Denial)


def test_same_keys_again_forget_nothing() -> None:
    check, token = a_check(), bearer(a_token())
    first = check.check(token, AUDIENCE, NOW)

    check.trust(ISSUER, KEYS)

    assert check.check(token, AUDIENCE, NOW) is first


def test_nothing_is_trusted_before_the_first_key_set() -> None:
    denial = BearerCheck().check(bearer(a_token()), AUDIENCE, NOW)

    assert isinstance(denial, Denial)
    assert denial.code == DenialCode.KEY_UNKNOWN


def test_check_that_crashes_denies() -> None:
    # An issuer that cannot be written into a header makes the check itself fail.
    issuer = "http://bücher.example"

    denial = a_check(issuer=issuer).check(bearer(forged({"iss": issuer})), AUDIENCE, NOW)

    assert denial == Denial(DenialCode.CHECK_FAILED, "UnicodeEncodeError")
