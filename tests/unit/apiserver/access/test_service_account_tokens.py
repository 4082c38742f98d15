"""Tokens of ServiceAccounts: for one account, one issuer, some audiences, some time."""

from __future__ import annotations

import json

import pytest
from joserfc import jws

from casemate.apiserver.access.service_account_tokens import (
    MOST_SECONDS,
    Account,
    ServiceAccountTokens,
)
from casemate.identity.keys import SigningKey
from casemate.identity.tokens import mint as mint_function_token

ISSUER = "https://api.casemate.local"
KEY = SigningKey.generate()
ACCOUNT = Account("shop", "ci", "uid-1")
NOW = 1_800_000_000


def tokens(key=KEY, issuer=ISSUER, accounts=(ACCOUNT,)):
    known = {(one.namespace, one.name): one.uid for one in accounts}
    return ServiceAccountTokens(key, issuer, lambda *named: known.get(named))


def a_token(**changes):
    """A token signed by the right key, with changed claims."""
    claims = {
        "iss": ISSUER, "sub": "system:serviceaccount:shop:ci", "aud": [ISSUER],
        "iat": NOW, "nbf": NOW, "exp": NOW + 600, "jti": "1",
        "kubernetes.io": {
            "namespace": "shop", "serviceaccount": {"name": "ci", "uid": "uid-1"},
        },
    } | {key: value for key, value in changes.items() if key != "typ"}  # fmt: skip
    header = {"alg": "ES256", "kid": KEY.kid, "typ": changes.get("typ", "JWT")}
    return jws.serialize_compact(header, json.dumps(claims), KEY.private, algorithms=["ES256"])


def test_a_minted_token_is_its_accounts():
    token = tokens().mint(ACCOUNT, (), NOW, 600)

    user = tokens().verify(token, (), NOW)

    assert user is not None
    assert user.name == "system:serviceaccount:shop:ci"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:shop")


def test_the_claims_are_those_of_kubernetes():
    token = tokens().mint(ACCOUNT, ("vault",), NOW, 600)

    claims = json.loads(jws.deserialize_compact(token, KEY.private).payload)

    assert claims["aud"] == ["vault"]
    assert claims["kubernetes.io"] == {
        "namespace": "shop", "serviceaccount": {"name": "ci", "uid": "uid-1"},
    }  # fmt: skip
    assert claims["exp"] - claims["iat"] == 600


def test_a_token_for_another_audience_does_not_open_the_api():
    token = tokens().mint(ACCOUNT, ("vault",), NOW, 600)

    assert tokens().verify(token, (), NOW) is None
    assert tokens().verify(token, ("vault",), NOW) is not None


@pytest.mark.parametrize("now", [NOW + 600, NOW - 60])
def test_a_token_is_good_in_its_time_only(now):
    token = tokens().mint(ACCOUNT, (), NOW, 600)

    assert tokens().verify(token, (), now) is None


def test_a_token_dies_with_its_account():
    token = tokens().mint(ACCOUNT, (), NOW, 600)
    made_again = Account("shop", "ci", "uid-2")

    assert tokens(accounts=()).verify(token, (), NOW) is None
    assert tokens(accounts=(made_again,)).verify(token, (), NOW) is None


def test_another_installations_token_is_nobodys():
    other = tokens(SigningKey.generate()).mint(ACCOUNT, (), NOW, 600)

    assert tokens().verify(other, (), NOW) is None


def test_a_functions_token_does_not_open_the_api_even_under_the_same_key():
    token = mint_function_token(
        KEY, issuer=ISSUER, audience=ISSUER, subject="system:serviceaccount:shop:ci",
        client_id="cli", now=NOW, lifetime_seconds=600,
    )  # fmt: skip

    assert tokens().verify(token, (), NOW) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other"},
        {"aud": ISSUER},
        {"aud": []},
        {"aud": [ISSUER] * 17},
        {"exp": NOW + MOST_SECONDS + 1},
        {"exp": float(NOW + 600)},
        {"exp": True},
        {"nbf": NOW + 60},
        {"sub": "system:serviceaccount:shop:admin"},
        {"sub": "alice"},
        {"kubernetes.io": {}},
        {"kubernetes.io": {"namespace": "shop"}},
        {"kubernetes.io": {"namespace": "", "serviceaccount": {"name": "ci", "uid": "uid-1"}}},
        {"kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "ci", "uid": 1}}},
        {"kubernetes.io": [1]},
        {"typ": "at+jwt"},
    ],
)
def test_a_token_with_doubtful_claims_is_nobodys(changes):
    assert tokens().verify(a_token(), (), NOW) is not None
    assert tokens().verify(a_token(**changes), (), NOW) is None


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é" * 10, "." * 9])
def test_a_text_that_is_no_token_is_nobodys(text):
    assert tokens().verify(text, (), NOW) is None
