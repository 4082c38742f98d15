"""FunctionPolicy, casemate.dev/v1alpha1: what an administrator lets named namespaces do.

A relaxation names each field that may be loosened; nothing here loosens by being absent.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from casemate.api.cel import map_list
from casemate.api.conditions import Condition
from casemate.api.meta import ObjectMeta
from casemate.api.names import DnsLabel, Labels, NamespaceName
from casemate.api.violations import broken, suggestion
from casemate.api.workload import PodSecurityContext, SecurityContext, WireModel

CASEMATE_API_VERSION = "casemate.dev/v1alpha1"


def _fields_of(parent: str, model: type[WireModel]) -> set[str]:
    return {f"{parent}.{field.alias or name}" for name, field in model.model_fields.items()}


# The fields whose hardened value a manifest may ask to loosen, as a manifest spells them.
RELAXABLE_FIELDS = frozenset(
    _fields_of("containerSecurityContext", SecurityContext)
    | _fields_of("podSecurityContext", PodSecurityContext)
)


def _check_relaxable(name: str) -> str:
    if name not in RELAXABLE_FIELDS:
        raise broken(
            "is not a field that can be relaxed",
            allowed=", ".join(sorted(RELAXABLE_FIELDS)),
            hint=suggestion(name, RELAXABLE_FIELDS),
        )
    return name


RelaxableField = Annotated[str, AfterValidator(_check_relaxable)]


class NamespaceSelector(WireModel):
    """The namespaces that a policy speaks about; `names` and `match_labels` both must hold."""

    names: tuple[NamespaceName, ...] | None = None
    match_labels: Labels | None = None


class Relaxation(WireModel):
    """One permission to loosen: which fields, and why it was given."""

    fields: tuple[RelaxableField, ...] = Field(min_length=1)
    functions: tuple[DnsLabel, ...] | None = None
    reason: str = Field(min_length=1, max_length=1024)


class ImageRules(WireModel):
    """Which images a Function may name in runtimeImageOverride."""

    allowed_repositories: tuple[str, ...] | None = None
    allow_unpinned: bool = False
    allow_unsigned: bool = False


class FunctionPolicySpec(WireModel):
    """What is allowed, and where."""

    namespaces: NamespaceSelector
    relaxations: tuple[Relaxation, ...] = ()
    images: ImageRules | None = None


class FunctionPolicyStatus(WireModel):
    """What is observed."""

    observed_generation: int | None = None
    conditions: tuple[Condition, ...] | None = Field(
        default=None, json_schema_extra=map_list("type")
    )


class FunctionPolicy(WireModel):
    """An administrator's permissions for some namespaces; cluster scoped."""

    api_version: Literal["casemate.dev/v1alpha1"]
    kind: Literal["FunctionPolicy"]
    metadata: ObjectMeta
    spec: FunctionPolicySpec
    status: FunctionPolicyStatus | None = None


def selects(selector: NamespaceSelector, namespace: str, labels: dict[str, str]) -> bool:
    """Tell whether a policy speaks about `namespace`. An empty selector speaks about none."""
    if selector.names is None and selector.match_labels is None:
        return False
    by_name = selector.names is None or namespace in selector.names
    wanted = (selector.match_labels or {}).items()
    return by_name and all(labels.get(key) == value for key, value in wanted)
