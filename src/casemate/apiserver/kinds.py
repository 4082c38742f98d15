"""Every kind that this API serves, once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from casemate.apiserver.core_kinds import core_resources
from casemate.apiserver.own_kinds import own_resources
from casemate.apiserver.resource import Resource

ResourceKey = tuple[str, str, str]
"""(group, version, plural)."""


@cache
def served_resources() -> tuple[Resource, ...]:
    """Return all kinds; the first call reads their schemas."""
    return (*core_resources(), *own_resources())


@cache
def resources_by_key() -> Mapping[ResourceKey, Resource]:
    """Return the kinds as the router looks them up."""
    return MappingProxyType({
        (one.group, one.version, one.plural): one for one in served_resources()
    })  # fmt: skip


@cache
def resources_by_kind() -> Mapping[str, Resource]:
    """Return the kinds by their names, which are told apart without a group here."""
    return MappingProxyType({one.kind: one for one in served_resources()})
