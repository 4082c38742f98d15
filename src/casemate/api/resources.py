"""How much CPU and memory a Function gets: a preset by name, or quantities.

Kyma's rules hold: profile or resources, never both; CPU and memory stand in every map that is
given; nothing below the smallest useful value; a request never exceeds its limit.
"""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from casemate.api.cel import exactly_one_of
from casemate.api.presets import SMALLEST_CPU, SMALLEST_MEMORY, BuildProfileName, ProfileName
from casemate.api.quantity import Quantity, parse_quantity
from casemate.api.violations import broken
from casemate.api.workload import WireModel

_PROFILE_OR_RESOURCES = exactly_one_of("profile", "resources")


class ResourceAmounts(WireModel):
    """Amounts of the three things that a sandbox can be given."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    ephemeral_storage: Quantity | None = Field(default=None, alias="ephemeral-storage")

    @model_validator(mode="after")
    def _smallest(self) -> Self:
        for name, amount, smallest in (
            ("cpu", self.cpu, SMALLEST_CPU),
            ("memory", self.memory, SMALLEST_MEMORY),
        ):
            if amount is None:
                raise broken(f"{name} is missing", allowed=f"{name} of at least {smallest}")
            if parse_quantity(amount) < parse_quantity(smallest):
                raise broken(f"{name} {amount} is too small", allowed=f"at least {smallest}")
        return self


class FunctionResources(WireModel):
    """Requests and limits of a Function's container."""

    requests: ResourceAmounts | None = None
    limits: ResourceAmounts | None = None

    @model_validator(mode="after")
    def _request_within_limit(self) -> Self:
        if self.requests is None or self.limits is None:
            return self
        for field in ResourceAmounts.model_fields:
            request, limit = getattr(self.requests, field), getattr(self.limits, field)
            if request and limit and parse_quantity(request) > parse_quantity(limit):
                name = field.replace("_", "-")
                raise broken(
                    f"request of {name} {request} exceeds its limit {limit}",
                    allowed=f"requests.{name} at most limits.{name}",
                )
        return self


class ResourceRequirements(WireModel):
    """resourceConfiguration.function."""

    model_config = ConfigDict(json_schema_extra=_PROFILE_OR_RESOURCES)

    profile: ProfileName | None = None
    resources: FunctionResources | None = None

    @model_validator(mode="after")
    def _profile_or_resources(self) -> Self:
        if (self.profile is None) == (self.resources is None):
            raise broken("must set exactly one field", allowed="profile | resources")
        return self


class BuildRequirements(WireModel):
    """resourceConfiguration.build: accepted for manifests of old, without effect."""

    model_config = ConfigDict(json_schema_extra=_PROFILE_OR_RESOURCES)

    profile: BuildProfileName | None = None
    resources: FunctionResources | None = None

    @model_validator(mode="after")
    def _profile_or_resources(self) -> Self:
        if (self.profile is None) == (self.resources is None):
            raise broken("must set exactly one field", allowed="profile | resources")
        return self


class ResourceConfiguration(WireModel):
    """spec.resourceConfiguration."""

    build: BuildRequirements | None = None
    function: ResourceRequirements | None = None
