"""FunctionSource, casemate.dev/v1alpha1: code that several Functions share, fetched once.

Its source is a permission of its own: who may read a Function need not be able to read this.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from casemate.api.cel import map_list
from casemate.api.conditions import Condition
from casemate.api.meta import ObjectMeta
from casemate.api.names import DnsLabel
from casemate.api.source import Source
from casemate.api.workload import WireModel


class FunctionSourceMeta(ObjectMeta):
    """Metadata of a FunctionSource."""

    name: DnsLabel


class FunctionSourceSpec(WireModel):
    """Where the code comes from."""

    source: Source


class FunctionSourceStatus(WireModel):
    """What was fetched, by digest."""

    observed_generation: int | None = None
    source_digest: str | None = None
    commit: str | None = None
    conditions: tuple[Condition, ...] | None = Field(
        default=None, json_schema_extra=map_list("type")
    )


class FunctionSource(WireModel):
    """Code under a name."""

    api_version: Literal["casemate.dev/v1alpha1"]
    kind: Literal["FunctionSource"]
    metadata: FunctionSourceMeta
    spec: FunctionSourceSpec
    status: FunctionSourceStatus | None = None
