"""Metadata that every object carries, and the reference by which one object names another."""

from __future__ import annotations

from typing import Any, NamedTuple

from casemate.api.names import Annotations, Labels, NamespaceName, Subdomain
from casemate.api.workload import WireModel

DEFAULT_NAMESPACE = "default"


class FunctionRef(NamedTuple):
    """A Function's identity; never a "namespace/name" string that somebody has to split."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it for people and logs only."""
        return f"{self.namespace}/{self.name}"


class OwnerReference(WireModel):
    """meta/v1 OwnerReference."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(WireModel):
    """meta/v1 ObjectMeta. What the server sets may stand in a manifest that was read from one."""

    name: Subdomain
    namespace: NamespaceName | None = None
    generate_name: str | None = None
    labels: Labels | None = None
    annotations: Annotations | None = None
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    managed_fields: tuple[dict[str, Any], ...] | None = None
    self_link: str | None = None

    @property
    def namespace_or_default(self) -> str:
        """Return the namespace; an object that names none is in `default`."""
        return self.namespace or DEFAULT_NAMESPACE
