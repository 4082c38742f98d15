"""Tightens security contexts: a manifest may make them stricter and may never loosen them.

`tighten` compares field by field, so a field added later also binds manifests written before it
existed. What a manifest asked in vain is a value (`Loosening`), not an error: whether it is refused
or let through is decided in `casemate.security.relaxations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from casemate.api.workload import PodSecurityContext, SecurityContext
from casemate.security.field_rules import CONTAINER_RULES, POD_RULES, FieldRule, only_default

Context = TypeVar("Context", SecurityContext, PodSecurityContext)

# What a Function's manifest calls the two contexts; a FunctionPolicy names fields the same way.
PARENTS: dict[type[SecurityContext | PodSecurityContext], str] = {
    SecurityContext: "containerSecurityContext",
    PodSecurityContext: "podSecurityContext",
}
_RULES = {SecurityContext: CONTAINER_RULES, PodSecurityContext: POD_RULES}


@dataclass(frozen=True, slots=True)
class Loosening:
    """A field that a manifest asked to loosen: what it asked, what was kept, and why."""

    field_path: str
    asked: Any
    kept: Any
    reason: str


@dataclass(frozen=True, slots=True)
class TightenResult(Generic[Context]):
    """The stricter of both in every field, and what was asked in vain."""

    value: Context
    loosened: tuple[Loosening, ...]


def tighten(default: Context, asked: Context | None) -> TightenResult[Context]:
    """Take from `asked` whatever is at least as strict as `default`; a pure function.

    Fields that `asked` leaves out keep the default. The result is never looser than the default in
    any field, and tightening it again by the same changes nothing.
    """
    kept: dict[str, Any] = {}
    loosened: list[Loosening] = []
    for name, wanted in () if asked is None else asked:
        if wanted is None:
            continue
        ruling = _rule(type(default), name)(getattr(default, name), wanted)
        kept[name] = ruling.kept
        if ruling.reason:
            path = field_path(type(default), name)
            loosened.append(Loosening(path, wanted, ruling.kept, ruling.reason))
    return TightenResult(default.model_copy(update=kept), tuple(loosened))


def loosen(value: Context, let_through: tuple[Loosening, ...]) -> Context:
    """Give a context what a policy lets through; loosenings of the other context are left out."""
    names = {field_path(type(value), name): name for name in type(value).model_fields}
    asked = {names[one.field_path]: one.asked for one in let_through if one.field_path in names}
    return value.model_copy(update=asked)


def field_path(context: type[SecurityContext | PodSecurityContext], name: str) -> str:
    """Return how a manifest and a FunctionPolicy spell a field."""
    return f"{PARENTS[context]}.{context.model_fields[name].alias}"


def _rule(context: type[SecurityContext | PodSecurityContext], name: str) -> FieldRule:
    return _RULES[context].get(name, only_default)
