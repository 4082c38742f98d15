"""What may be written, beyond what a schema says: a chain of checks that every write goes through.

Create, update, patch, apply and dry runs meet the same chain; a check raises ApiError or returns.
The chain is fixed when the server is put together, and a server without one does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from casemate.apiserver.access.attributes import User
from casemate.apiserver.resource import Resource, Tree


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One write as it would be stored."""

    operation: str
    """`create`, `update` or `delete`."""
    resource: Resource
    namespace: str
    name: str
    subresource: str
    user: User
    new: Tree | None
    """None for a delete."""
    old: Tree | None
    """None for a create."""


class AdmissionCheck(Protocol):
    """One reason for which a write may be refused."""

    def __call__(self, request: AdmissionRequest) -> None:
        """Return to let it pass; raises ApiError to refuse."""


Mutation: TypeAlias = Callable[[Tree], Tree]


def admit(checks: Sequence[AdmissionCheck], request: AdmissionRequest) -> None:
    """Ask every check in order; the first refusal is the answer."""
    for check in checks:
        check(request)
