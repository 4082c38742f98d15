"""A verified caller, and one question to the authorizer: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom an authenticator vouches for."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    impersonated_by: str = ""
    """Who really calls, when somebody acts as this user; for the audit log only."""

    def wire(self) -> dict[str, object]:
        """Return authentication.k8s.io/v1 UserInfo."""
        shape: dict[str, object] = {"username": self.name}
        if self.uid:
            shape["uid"] = self.uid
        if self.groups:
            shape["groups"] = list(self.groups)
        if self.extra:
            shape["extra"] = {key: list(values) for key, values in self.extra.items()}
        return shape


@dataclass(frozen=True, slots=True)
class Attributes:
    """May `user` do `verb` on this? Without a resource, `path` counts."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether the question is about a resource."""
        return bool(self.resource)
