"""The CustomResourceDefinitions of our kinds, generated from the types.

The types are the authority; the files in deploy/crds are written from here and compared in tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casemate.api.function import Function
from casemate.api.function_policy import FunctionPolicy
from casemate.api.function_source import FunctionSource
from casemate.api.serverless import Serverless
from casemate.api.structural_schema import structural_schema

if TYPE_CHECKING:
    from casemate.api.workload import WireModel


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is served; `api_version` and `kind` are read from the type."""

    model: type[WireModel]
    plural: str
    columns: tuple[tuple[str, str, str], ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    scope: str = "Namespaced"
    scales: bool = False

    @property
    def singular(self) -> str:
        """Return the kind's own name."""
        return str(self.model.model_json_schema()["properties"]["kind"]["const"])

    @property
    def group_version(self) -> tuple[str, str]:
        """Return the API group and version."""
        api_version = str(self.model.model_json_schema()["properties"]["apiVersion"]["const"])
        group, _, version = api_version.partition("/")
        return group, version


def _condition(name: str) -> str:
    return f".status.conditions[?(@.type=='{name}')].status"


_AGE = ("Age", "date", ".metadata.creationTimestamp")
KINDS: tuple[Kind, ...] = (
    Kind(
        Function,
        "functions",
        (
            ("Configured", "string", _condition("ConfigurationReady")),
            ("Running", "string", _condition("Running")),
            ("Runtime", "string", ".spec.runtime"),
            ("Version", "integer", ".metadata.generation"),
            _AGE,
        ),
        short_names=("fn", "fns"),
        categories=("all",),
        scales=True,
    ),
    Kind(
        FunctionSource,
        "functionsources",
        (("Digest", "string", ".status.sourceDigest"), _AGE),
        short_names=("fnsrc",),
    ),
    Kind(FunctionPolicy, "functionpolicies", (_AGE,), short_names=("fnpol",), scope="Cluster"),
    Kind(
        Serverless,
        "serverlesses",
        (
            ("Configured", "string", _condition("Configured")),
            ("Installed", "string", _condition("Installed")),
            ("State", "string", ".status.state"),
            _AGE,
        ),
    ),
)


def custom_resource_definition(kind: Kind) -> dict[str, Any]:
    """Return one CRD as plain JSON."""
    group, version = kind.group_version
    singular = kind.singular
    names: dict[str, Any] = {
        "kind": singular,
        "listKind": f"{singular}List",
        "plural": kind.plural,
        "singular": singular.lower(),
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": kind.scope,
            "versions": [_version(kind, version)],
        },
    }


def _version(kind: Kind, version: str) -> dict[str, Any]:
    subresources: dict[str, Any] = {"status": {}}
    if kind.scales:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.podSelector",
        }
    return {
        "name": version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": of_type, "jsonPath": path}
            for name, of_type, path in kind.columns
        ],
        "schema": {"openAPIV3Schema": structural_schema(kind.model)},
        "subresources": subresources,
    }
