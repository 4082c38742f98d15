"""The kinds of Kubernetes itself that are served here; names and verbs are those of 1.36. Data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casemate.apiserver.core_schemas import structural
from casemate.apiserver.resource import READ_VERBS, Resource, Subresource

RBAC_GROUP = "rbac.authorization.k8s.io"
AUTHENTICATION_GROUP = "authentication.k8s.io"
AUTHORIZATION_GROUP = "authorization.k8s.io"
COORDINATION_GROUP = "coordination.k8s.io"
_STATUS_VERBS = ("get", "patch", "update")
# Kubernetes has no `delete` of all Namespaces at once.
_NAMESPACE_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
_CORE = "io.k8s.api.core.v1."


def core_resources() -> tuple[Resource, ...]:
    """Return every served kind of Kubernetes; reads the schemas, so not at import."""
    return (*_core(), *_access(), *_questions(), _lease(), _controller_revision())


def _schema(name: str) -> Mapping[str, Any]:
    return structural(f"io.k8s.api.{name}")


def _core() -> tuple[Resource, ...]:
    def of(kind: str, plural: str, short: str, **more: Any) -> Resource:
        named = {"namespaced": True, "short_names": (short,) if short else ()} | more
        return Resource(
            group="", version="v1", plural=plural, singular=kind.lower(), kind=kind,
            schema=structural(f"{_CORE}{kind}"), **named,
        )  # fmt: skip

    status = Subresource("status", "Namespace", "", "v1", _STATUS_VERBS)
    finalize = Subresource("finalize", "Namespace", "", "v1", ("update",))
    token = Subresource("token", "TokenRequest", AUTHENTICATION_GROUP, "v1", ("create",))
    log = Subresource("log", "Pod", "", "v1", ("get",))
    return (
        of("ConfigMap", "configmaps", "cm"),
        of("Event", "events", "ev"),
        of("Namespace", "namespaces", "ns", namespaced=False, verbs=_NAMESPACE_VERBS,
           subresources={"finalize": finalize, "status": status}),
        of("Pod", "pods", "po", categories=("all",), verbs=READ_VERBS, stored=False,
           subresources={"log": log}),
        of("Secret", "secrets", "", encrypted=True),
        of("ServiceAccount", "serviceaccounts", "sa", subresources={"token": token}),
    )  # fmt: skip


def _access() -> tuple[Resource, ...]:
    return tuple(
        Resource(
            group=RBAC_GROUP, version="v1", plural=f"{kind.lower()}s", singular=kind.lower(),
            kind=kind, namespaced=not kind.startswith("Cluster"), schema=_schema(f"rbac.v1.{kind}"),
        )
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    )  # fmt: skip


def _questions() -> tuple[Resource, ...]:
    """Return the reviews: answered by doors, never stored."""
    asked = (
        (AUTHENTICATION_GROUP, "authentication.v1", "SelfSubjectReview"),
        (AUTHENTICATION_GROUP, "authentication.v1", "TokenReview"),
        (AUTHORIZATION_GROUP, "authorization.v1", "LocalSubjectAccessReview"),
        (AUTHORIZATION_GROUP, "authorization.v1", "SelfSubjectAccessReview"),
        (AUTHORIZATION_GROUP, "authorization.v1", "SelfSubjectRulesReview"),
        (AUTHORIZATION_GROUP, "authorization.v1", "SubjectAccessReview"),
    )
    return tuple(
        Resource(
            group=group, version="v1", plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind,
            namespaced=kind.startswith("Local"), schema=_schema(f"{package}.{kind}"),
            verbs=("create",), stored=False,
        )
        for group, package, kind in asked
    )  # fmt: skip


def _lease() -> Resource:
    return Resource(
        group=COORDINATION_GROUP, version="v1", plural="leases", singular="lease", kind="Lease",
        namespaced=True, schema=_schema("coordination.v1.Lease"),
    )  # fmt: skip


def _controller_revision() -> Resource:
    """Return the kind that keeps a Function's revisions, each with its source: hence encrypted."""
    return Resource(
        group="apps", version="v1", plural="controllerrevisions", singular="controllerrevision",
        kind="ControllerRevision", namespaced=True, encrypted=True,
        schema=_schema("apps.v1.ControllerRevision"),
    )  # fmt: skip
