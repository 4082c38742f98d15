"""Who may call a Function and what a Function may reach: `spec.access`, default deny both ways.

Absent and empty mean the same: no caller but those whom RBAC lets `create functions/invoke`, and no
destination at all. Every grant names exactly one thing, so a grant can be read aloud.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from casemate.api.cel import exactly_one_of
from casemate.api.meta import FunctionRef
from casemate.api.names import DnsLabel, NamespaceName
from casemate.api.violations import broken
from casemate.api.workload import WireModel

Port = Annotated[int, Field(ge=1, le=65535)]

_EVENT_TYPE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?", re.ASCII)
_HOST = re.compile(
    r"(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+", re.ASCII
)
# Names that mean the machine itself, the cluster, or a cloud's credential service.
_REFUSED_HOST_SUFFIXES = (".localhost", ".local", ".internal", ".svc", ".cluster.local")


def _check_event_type(text: str) -> str:
    if not _EVENT_TYPE.fullmatch(text):
        raise broken(
            "is not a valid event name",
            allowed="at most 255 letters, digits, '.', '_', '-' and '/'",
        )
    return text


def _check_host(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _check_host_name(text)
    # ATTACK: 169.254.169.254 and loopback lead to credentials of the machine, not to a service.
    # tests/unit/api/test_access.py::test_addresses_of_the_machine_are_not_granted
    mapped = getattr(address, "ipv4_mapped", None) or address
    if (
        mapped.is_loopback
        or mapped.is_link_local
        or mapped.is_multicast
        or mapped.is_unspecified
        or mapped.is_reserved
        or text.lower() == "fd00:ec2::254"
    ):
        raise broken(
            "is an address that cannot be granted",
            allowed="no loopback, link-local, multicast, reserved or metadata address",
        )
    return text


def _check_host_name(text: str) -> str:
    if not _HOST.fullmatch(text) or len(text) > 253:  # noqa: PLR2004  # RFC 1035
        raise broken(
            "is not a valid host name",
            allowed="lower case DNS name with a dot, or *.domain, or an IP address",
        )
    if text.endswith(_REFUSED_HOST_SUFFIXES):
        raise broken(
            "is a name inside the machine, the cluster or the cloud",
            hint="use `service:` for a Service, `function:` for a Function",
        )
    return text


EventType = Annotated[
    str, AfterValidator(_check_event_type), Field(json_schema_extra={"maxLength": 255})
]
HostName = Annotated[str, AfterValidator(_check_host), Field(json_schema_extra={"maxLength": 253})]


def exactly_one(model: WireModel) -> None:
    """Raise unless exactly one field of `model` is set."""
    names = type(model).model_fields
    chosen = [name for name in names if getattr(model, name) is not None]
    if len(chosen) != 1:
        raise broken(
            "must set exactly one field", allowed=" | ".join(names), hint="one entry per grant"
        )


class FunctionPeer(WireModel):
    """Another Function; the same namespace unless it says otherwise."""

    name: DnsLabel
    namespace: NamespaceName | None = None

    def ref(self, own_namespace: str) -> FunctionRef:
        """Return the identity that this peer means, seen from `own_namespace`."""
        return FunctionRef(self.namespace or own_namespace, self.name)


class ServicePeer(WireModel):
    """A Service of the cluster."""

    name: DnsLabel
    namespace: NamespaceName | None = None
    port: Port


class HostPeer(WireModel):
    """A host outside, by name or address."""

    name: HostName
    port: Port = 443


class JwtCallers(WireModel):
    """Callers who bear a token of an issuer that the installation knows.

    Every constraint given must hold; within `subjects` and within one claim any entry may match,
    all `scopes` are needed.
    """

    issuer: DnsLabel
    subjects: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    claims: dict[str, tuple[str, ...]] | None = None


class InvokedBy(WireModel):
    """One grant to call this Function."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("public", "function", "jwt"))

    public: Literal[True] | None = None
    function: FunctionPeer | None = None
    jwt: JwtCallers | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self)
        return self


class Calls(WireModel):
    """One destination that this Function may reach."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("function", "service", "host"))

    function: FunctionPeer | None = None
    service: ServicePeer | None = None
    host: HostPeer | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self)
        return self


class Subscription(WireModel):
    """One kind of event that is delivered to this Function."""

    type: EventType
    source: EventType


class Access(WireModel):
    """spec.access: all the edges of a Function."""

    invoked_by: tuple[InvokedBy, ...] = Field(default=(), max_length=100)
    calls: tuple[Calls, ...] = Field(default=(), max_length=100)
    publishes: tuple[EventType, ...] = Field(default=(), max_length=100)
    subscribes: tuple[Subscription, ...] = Field(default=(), max_length=100)

    @property
    def is_public(self) -> bool:
        """Tell whether anyone may call without a token."""
        return any(grant.public for grant in self.invoked_by)
