"""Our kinds as they are served: names, columns and schemas come from their CRDs, nowhere else."""

from __future__ import annotations

from types import MappingProxyType

from casemate.api.crd import KINDS, Kind, custom_resource_definition
from casemate.apiserver.resource import Column, Resource, Subresource

OUR_GROUP, OUR_VERSION = "casemate.dev", "v1alpha1"
_WRITTEN = ("get", "patch", "update")
# Doors of ours beside a Function: a token for calling it, and what protects it right now.
_FUNCTION_DOORS = (
    Subresource("invoke", "FunctionToken", OUR_GROUP, OUR_VERSION, ("create",)),
    Subresource("posture", "FunctionPosture", OUR_GROUP, OUR_VERSION, ("get",)),
)
_ENCRYPTED = frozenset({"FunctionSource"})


def own_resources() -> tuple[Resource, ...]:
    """Return Function, FunctionSource, FunctionPolicy and Serverless."""
    return tuple(_resource(kind) for kind in KINDS)


def _resource(kind: Kind) -> Resource:
    group, version = kind.group_version
    crd = custom_resource_definition(kind)
    names, served = crd["spec"]["names"], crd["spec"]["versions"][0]
    subresources = [
        Subresource("status", names["kind"], group, version, _WRITTEN),
        *(
            [Subresource("scale", "Scale", "autoscaling", "v1", _WRITTEN)]
            if "scale" in served["subresources"]
            else []
        ),
        *(_FUNCTION_DOORS if names["kind"] == "Function" else ()),
    ]
    return Resource(
        group=group,
        version=version,
        plural=names["plural"],
        singular=names["singular"],
        kind=names["kind"],
        namespaced=kind.scope == "Namespaced",
        schema=served["schema"]["openAPIV3Schema"],
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        subresources=MappingProxyType({one.name: one for one in subresources}),
        columns=tuple(
            Column(column["name"], column["type"], column["jsonPath"])
            for column in served["additionalPrinterColumns"]
        ),
        model=kind.model,
        encrypted=names["kind"] in _ENCRYPTED,
    )
