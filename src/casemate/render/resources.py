"""How much a Function's container may use: limits always, for all three resources.

A manifest that leaves a limit out gets the default preset's, raised to its own request: an absent
limit means "all of the node" to Kubernetes, and never that here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.quantity import parse_quantity
from casemate.api.workload import Resources
from casemate.render.errors import Unrenderable

if TYPE_CHECKING:
    from casemate.api.function import FunctionSpec
    from casemate.api.presets import Preset
    from casemate.render.policy import RenderPolicy

CUSTOM_PROFILE = "custom"


def profile_name(spec: FunctionSpec, policy: RenderPolicy) -> str:
    """Return what status.functionResourceProfile says: a preset's name, or `custom`."""
    wanted = spec.resource_configuration.function if spec.resource_configuration else None
    if wanted is None:
        return policy.default_preset
    return wanted.profile or CUSTOM_PROFILE


def render_resources(spec: FunctionSpec, policy: RenderPolicy) -> Resources:
    """Return requests and limits. Raises Unrenderable for a preset that the policy lacks."""
    wanted = spec.resource_configuration.function if spec.resource_configuration else None
    own = wanted.resources if wanted else None
    name = wanted.profile if wanted and wanted.profile else policy.default_preset
    preset = _preset(name, policy)
    own_requests = own.requests.wire() if own and own.requests else {}
    own_limits = own.limits.wire() if own and own.limits else {}
    requests, limits = {}, {}
    for resource, (request, limit) in {
        "cpu": (preset.request_cpu, preset.limit_cpu),
        "memory": (preset.request_memory, preset.limit_memory),
        "ephemeral-storage": (policy.ephemeral_storage_request, policy.ephemeral_storage_limit),
    }.items():
        own_request = own_requests.get(resource)
        chosen = own_limits.get(resource) or larger(limit, own_request or "0")
        limits[resource] = chosen
        requests[resource] = own_request or smaller(request, chosen)
    return Resources(requests=requests, limits=limits)


def _preset(name: str, policy: RenderPolicy) -> Preset:
    preset = policy.presets.get(name)
    if preset is None:
        raise Unrenderable(
            f'resource preset "{name}" does not exist',
            hint=f"use one of {', '.join(sorted(policy.presets))}",
        )
    return preset


def smaller(one: str, other: str) -> str:
    """Return the smaller of two quantities, as it was written."""
    return one if parse_quantity(one) <= parse_quantity(other) else other


def larger(one: str, other: str) -> str:
    """Return the larger of two quantities, as it was written."""
    return one if parse_quantity(one) >= parse_quantity(other) else other
