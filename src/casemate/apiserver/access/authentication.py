"""Who is calling: a client certificate of our CA, or a bearer token; otherwise nobody.

The chain stops at the first credential that was given: one that is wrong is not saved by another
that would be right, and never becomes anonymous.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from casemate.apiserver.access.attributes import (
    ANONYMOUS,
    AUTHENTICATED,
    UNAUTHENTICATED,
    Attributes,
    User,
)
from casemate.apiserver.access.certificates import subject_of
from casemate.apiserver.access.rbac import SERVICE_ACCOUNT_PREFIX, Authorizer, Decision
from casemate.apiserver.access.service_account_tokens import ServiceAccountTokens
from casemate.apiserver.status_error import Subject, bad_request, forbidden

_IMPERSONATE = "impersonate-"
_MOST_NAME_CHARS = 512


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that was handed out once; only its hash is kept."""

    sha256: bytes
    user: User


class Authenticator:
    """Knows every way in."""

    def __init__(
        self,
        accounts: ServiceAccountTokens,
        authorizer: Authorizer,
        now_seconds: Callable[[], int],
        static: tuple[StaticToken, ...] = (),
    ) -> None:
        self._accounts = accounts
        self._authorizer = authorizer
        self._now = now_seconds
        self._static = static

    def authenticate(self, headers: Mapping[str, str], certificate: bytes | None) -> User | None:
        """Return the caller, None for a credential that is wrong. Raises ApiError 400, 403."""
        user = self._verified(headers, certificate)
        if user is None:
            return None
        return self._impersonated(user, headers)

    def authorize(self, attributes: Attributes) -> Decision:
        """Decide by RBAC."""
        return self._authorizer.decide(attributes)

    def of_token(self, token: str, audiences: tuple[str, ...] = ()) -> User | None:
        """Return whose token it is, None when it is nobody's."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for known in self._static:
            # Every hash is compared: the time says nothing about which one was near.
            if hmac.compare_digest(digest, known.sha256):
                found = known.user
        if found is not None and audiences and self._accounts.issuer not in audiences:
            return None
        user = found or self._accounts.verify(token, audiences, self._now())
        return _with_group(user) if user is not None else None

    def _verified(self, headers: Mapping[str, str], certificate: bytes | None) -> User | None:
        if certificate is not None:
            name, groups = subject_of(certificate)
            return _with_group(User(name, "", groups)) if name else None
        given = headers.get("authorization")
        if given is None:
            return User(ANONYMOUS, "", (UNAUTHENTICATED,))
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        return self.of_token(token.strip())

    def _impersonated(self, user: User, headers: Mapping[str, str]) -> User:
        """Act for somebody else, if `user` may. Raises ApiError 400, 403."""
        wanted = {name: value for name, value in headers.items() if name.startswith(_IMPERSONATE)}
        if not wanted:
            return user
        name = wanted.pop("impersonate-user", "")
        if not name or len(name) > _MOST_NAME_CHARS or not name.isprintable():
            raise bad_request("impersonation needs one impersonate-user")
        uid = wanted.pop("impersonate-uid", "")
        groups = tuple(one.strip() for one in wanted.pop("impersonate-group", "").split(",") if one)
        extra = {
            unquote(key.removeprefix("impersonate-extra-")): tuple(value.split(","))
            for key, value in wanted.items()
            if key.startswith("impersonate-extra-")
        }
        if len(extra) != len(wanted):
            raise bad_request("an impersonation header is not known")
        self._may_impersonate(user, name, uid, groups, extra)
        if name.startswith(SERVICE_ACCOUNT_PREFIX) and not groups:
            namespace = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")[0]
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        acting = User(name, uid, groups, extra, impersonated_by=user.name)
        return acting if name == ANONYMOUS else _with_group(acting)

    def _may_impersonate(
        self,
        user: User,
        name: str,
        uid: str,
        groups: tuple[str, ...],
        extra: Mapping[str, tuple[str, ...]],
    ) -> None:
        asked = [_question(user, *_who(name))]
        asked += [_question(user, "", "groups", group) for group in groups]
        if uid:
            asked.append(_question(user, "authentication.k8s.io", "uids", uid))
        asked += [
            Attributes(
                user, "impersonate", "authentication.k8s.io", "v1", "userextras", key, "", value
            )
            for key, values in extra.items()
            for value in values
        ]
        for one in asked:
            if not self._authorizer.decide(one).allowed:
                what = f'{one.resource} "{one.name}"'
                raise forbidden(
                    f'{what} is forbidden: User "{user.name}" cannot impersonate resource '
                    f'"{one.resource}" in API group "{one.group}" at the cluster scope',
                    Subject(one.group, one.resource, one.name),
                )


def _who(name: str) -> tuple[str, str, str, str]:
    """Return (group, resource, name, namespace) of the identity to take on."""
    if name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace, _, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
        return "", "serviceaccounts", account, namespace
    return "", "users", name, ""


def _question(user: User, group: str, resource: str, name: str, namespace: str = "") -> Attributes:
    return Attributes(user, "impersonate", group, "v1", resource, "", namespace, name)


def _with_group(user: User) -> User:
    if AUTHENTICATED in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))
