"""Tokens of ServiceAccounts, as TokenRequest gives them: signed, bound to one account's uid.

ES256 with the API's own key, which signs nothing else. A token outlives neither its `exp` nor its
account: an account that was deleted and made again has another uid. Source of the claims:
Kubernetes 1.36, pkg/serviceaccount/claims.go.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jws

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.rbac import SERVICE_ACCOUNT_PREFIX
from casemate.identity.compact import parse_json_object
from casemate.identity.keys import KeySet, SigningKey
from casemate.identity.principals import Denial
from casemate.identity.signatures import open_compact

LEAST_SECONDS = 600
MOST_SECONDS = 48 * 3600
DEFAULT_SECONDS = 3600
_CLOCK_LEEWAY_SECONDS = 5
MOST_AUDIENCES = 16

UidOf = Callable[[str, str], str | None]
"""(namespace, name) of an account -> its uid now, None when it does not exist."""


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount that exists."""

    namespace: str
    name: str
    uid: str

    def user(self) -> User:
        """Return the account as a caller."""
        return User(
            f"{SERVICE_ACCOUNT_PREFIX}{self.namespace}:{self.name}",
            self.uid,
            ("system:serviceaccounts", f"system:serviceaccounts:{self.namespace}"),
        )


class ServiceAccountTokens:
    """Mints and verifies."""

    def __init__(self, key: SigningKey, issuer: str, uid_of: UidOf) -> None:
        """`issuer` is the API's URL and its default audience."""
        self._key = key
        self._keys = KeySet.parse(key.public_jwks())
        self._issuer = issuer
        self._uid_of = uid_of

    @property
    def issuer(self) -> str:
        """The audience of a token that names none."""
        return self._issuer

    def mint(self, account: Account, audiences: tuple[str, ...], now: int, seconds: int) -> str:
        """Sign a token; `now` and `seconds` are whole seconds."""
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": account.user().name,
            "aud": list(audiences or (self._issuer,)),
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(16),
            "kubernetes.io": {
                "namespace": account.namespace,
                "serviceaccount": {"name": account.name, "uid": account.uid},
            },
        }
        header = {"alg": "ES256", "kid": self._key.kid, "typ": "JWT"}
        payload = json.dumps(claims, separators=(",", ":"))
        return jws.serialize_compact(header, payload, self._key.private, algorithms=["ES256"])

    def verify(self, token: str, audiences: tuple[str, ...], now: int) -> User | None:
        """Return whose token it is, if it is good now for one of `audiences`."""
        signed = open_compact(token, self._keys)
        # ATTACK: a Function's token is signed by another key and of another type; neither opens
        # the API. tests/unit/apiserver/access/test_service_account_tokens.py
        if isinstance(signed, Denial) or signed.typ != "JWT":
            return None
        claims = parse_json_object(signed.payload)
        if claims is None or claims.get("iss") != self._issuer or not _is_current(claims, now):
            return None
        if not _meant_for(audiences or (self._issuer,), claims.get("aud")):
            return None
        account = _account(claims)
        if account is None or self._uid_of(account.namespace, account.name) != account.uid:
            return None
        return account.user()


def _meant_for(audiences: tuple[str, ...], named: object) -> bool:
    if not isinstance(named, list) or len(named) > MOST_AUDIENCES:
        return False
    return bool(set(audiences) & {one for one in named if isinstance(one, str)})


def _is_current(claims: dict[str, Any], now: int) -> bool:
    issued, start, end = (claims.get(name) for name in ("iat", "nbf", "exp"))
    if type(issued) is not int or type(start) is not int or type(end) is not int:
        return False
    latest = now + _CLOCK_LEEWAY_SECONDS
    return end > now and max(issued, start) <= latest and end - issued <= MOST_SECONDS


def _account(claims: dict[str, Any]) -> Account | None:
    bound = claims.get("kubernetes.io")
    account = bound.get("serviceaccount") if isinstance(bound, dict) else None
    if not isinstance(bound, dict) or not isinstance(account, dict):
        return None
    texts = (bound.get("namespace"), account.get("name"), account.get("uid"))
    if not all(isinstance(text, str) and text for text in texts):
        return None
    namespace, name, uid = (str(text) for text in texts)
    found = Account(namespace, name, uid)
    return found if found.user().name == claims.get("sub") else None
