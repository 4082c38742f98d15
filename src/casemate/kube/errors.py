"""What a Kubernetes API refuses, by type: a caller decides by class, never by text.

KubeError
├── Missing        404: the object, its namespace or its kind is not there
├── Conflict       409: written meanwhile, or owned by another field manager
│   └── Exists     409 on create
├── Refused        401, 403, 422 and other 4xx: the same request will be refused again
├── Expired        410: that resourceVersion is no longer kept; list again
└── Unreachable    429, 5xx or no answer; trying again may help
"""

from __future__ import annotations

from typing import ClassVar

from casemate.errors import CasemateError, Retry

_NOT_FOUND, _CONFLICT, _GONE, _TOO_MANY, _SERVER = 404, 409, 410, 429, 500


class KubeError(CasemateError):
    """An answer of the API that is not the one that was asked for."""

    code: ClassVar[str] = "KubeError"
    exit_code: ClassVar[int] = 5

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Missing(KubeError):
    """It is not there."""

    code = "KubeMissing"
    retry = Retry.WHEN_CHANGED


class Conflict(KubeError):
    """Somebody else wrote; read again and decide again."""

    code = "KubeConflict"
    retry = Retry.BACKOFF


class Exists(Conflict):
    """An object of that name is there already."""

    code = "KubeExists"
    retry = Retry.WHEN_CHANGED


class Refused(KubeError):
    """The API will not have it."""

    code = "KubeRefused"
    retry = Retry.WHEN_CHANGED


class Expired(KubeError):
    """History does not reach back that far."""

    code = "KubeExpired"
    retry = Retry.BACKOFF


class Unreachable(KubeError):
    """No answer, or none that says anything about the request."""

    code = "KubeUnreachable"
    retry = Retry.BACKOFF


def kube_error(status: int, reason: str, message: str) -> KubeError:
    """Return the error of a `Status` with this code and reason."""
    kind: type[KubeError] = Refused
    if status == _NOT_FOUND:
        kind = Missing
    elif status == _CONFLICT:
        kind = Exists if reason == "AlreadyExists" else Conflict
    elif status == _GONE:
        kind = Expired
    elif status == _TOO_MANY or status >= _SERVER:
        kind = Unreachable
    return kind(message, status=status, reason=reason)
