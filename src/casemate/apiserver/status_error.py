"""Errors that a caller of the API is told: one class, as Kubernetes' `Status` has it.

The shape is that of apimachinery's `metav1.Status`: code, reason, message, details with causes.
Source: k8s.io/apimachinery v0.36, pkg/api/errors. Messages never hold a body or a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from casemate.errors import CasemateError


@dataclass(frozen=True, slots=True)
class Cause:
    """One broken rule: `reason` is a FieldValue* word, `field` a path such as `spec.runtime`."""

    reason: str
    message: str
    field: str = ""

    def wire(self) -> dict[str, str]:
        """Return the JSON shape."""
        shape = {"reason": self.reason, "message": self.message}
        return shape | ({"field": self.field} if self.field else {})


@dataclass(frozen=True, slots=True)
class Subject:
    """What the failed request was about; `kind` is the plural resource, as Kubernetes fills it."""

    group: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class ApiError(CasemateError):
    """An answer that is not the one that was asked for."""

    code: ClassVar[str] = "ApiError"

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        subject: Subject = Subject(),
        causes: Iterable[Cause] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.subject = subject
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds

    def wire(self) -> dict[str, Any]:
        """Return the `Status` object."""
        details: dict[str, Any] = {
            key: value
            for key, value in (
                ("name", self.subject.name),
                ("group", self.subject.group),
                ("kind", self.subject.kind),
                ("uid", self.subject.uid),
            )
            if value
        }
        if self.causes:
            details["causes"] = [cause.wire() for cause in self.causes]
        if self.retry_after_seconds is not None:
            details["retryAfterSeconds"] = self.retry_after_seconds
        shape: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if details:
            shape["details"] = details
        return shape | {"code": self.status}


def bad_request(message: str) -> ApiError:
    """400: the request itself cannot be read."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: nobody we know; says no more on purpose."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(message: str, subject: Subject) -> ApiError:
    """403; `message` names who may not do what, as Kubernetes words it."""
    return ApiError(403, "Forbidden", message, subject=subject)


def not_found(subject: Subject) -> ApiError:
    """404 for an object."""
    return ApiError(
        404, "NotFound", f'{_resource(subject)} "{subject.name}" not found', subject=subject
    )


def no_such_path() -> ApiError:
    """404 for a path or kind that this server does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed(subject: Subject, verb: str) -> ApiError:
    """405."""
    message = f'{verb} is not supported on resources of kind "{_resource(subject)}"'
    return ApiError(405, "MethodNotAllowed", message, subject=subject)


def already_exists(subject: Subject) -> ApiError:
    """409 for a name that is taken."""
    return ApiError(
        409, "AlreadyExists", f'{_resource(subject)} "{subject.name}" already exists',
        subject=subject,
    )  # fmt: skip


def conflict(subject: Subject, why: str, causes: Iterable[Cause] = ()) -> ApiError:
    """409 for a write that was based on something older."""
    message = f'Operation cannot be fulfilled on {_resource(subject)} "{subject.name}": {why}'
    return ApiError(409, "Conflict", message, subject=subject, causes=causes)


def stale(subject: Subject) -> ApiError:
    """409: the resourceVersion of the write is not the newest."""
    return conflict(
        subject,
        "the object has been modified; please apply your changes to the latest version and try "
        "again",
    )


def expired(message: str) -> ApiError:
    """410: a resourceVersion or continue token that is no longer kept."""
    return ApiError(410, "Expired", message)


def invalid(subject: Subject, causes: Iterable[Cause], *, kind: str) -> ApiError:
    """422: every broken rule at once; `kind` is the object's kind, as Kubernetes words it."""
    found = tuple(causes)
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in found]
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    full = f"{kind}.{subject.group}" if subject.group else kind
    message = f'{full} "{subject.name}" is invalid: {listed}'
    shown = Subject(subject.group, kind, subject.name)
    return ApiError(422, "Invalid", message, subject=shown, causes=found)


def _resource(subject: Subject) -> str:
    return f"{subject.kind}.{subject.group}" if subject.group else subject.kind
