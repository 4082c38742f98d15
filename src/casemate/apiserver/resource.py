"""How one kind is served: its names, verbs, subresources, columns and schema. Data only.

A `Tree` is an object as JSON has it. What is true of a kind stands in its `Resource` and nowhere
else: routing, discovery, OpenAPI, tables, patches and storage all read it from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel

Tree: TypeAlias = dict[str, Any]

READ_VERBS = ("get", "list", "watch")
ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


class GroupResource(NamedTuple):
    """What RBAC and storage call a resource; the core group is the empty text."""

    group: str
    plural: str

    def __str__(self) -> str:
        """Write it as Kubernetes does: `functions.serverless.kyma-project.io`, `secrets`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column; `priority` > 0 shows only with `-o wide`."""

    name: str
    type: str
    json_path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Subresource:
    """A door beside the object: `status`, `scale`, `log`, `token`."""

    name: str
    kind: str
    group: str
    version: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    schema: Mapping[str, Any] = field(repr=False)
    """Structural OpenAPI v3 schema of the whole object, `metadata` as a plain object."""
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    """Without columns a table has Name and Age."""
    model: type[BaseModel] | None = field(default=None, repr=False)
    """The type that says what is valid; None where the schema alone does."""
    encrypted: bool = False
    """Whether the body is encrypted at rest."""
    stored: bool = True
    """False for kinds that exist only as a question or a view (SubjectAccessReview, Pod)."""

    @property
    def group_resource(self) -> GroupResource:
        """Return the name in RBAC rules and in the store."""
        return GroupResource(self.group, self.plural)

    @property
    def api_version(self) -> str:
        """Return `group/version`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        """Return the kind of a list."""
        return f"{self.kind}List"
