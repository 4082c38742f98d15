"""Resource presets by name, with Kyma's values, and the smallest resources a Function may ask for.

The build presets name the size of Kyma's former build Job. They are accepted and have no effect:
nothing is built.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ProfileName = Literal["XS", "S", "M", "L", "XL"]
BuildProfileName = Literal["local-dev", "slow", "normal", "fast"]


class Preset(NamedTuple):
    """What is requested, and the limit, as quantities."""

    request_cpu: str
    request_memory: str
    limit_cpu: str
    limit_memory: str


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "XS": Preset("50m", "64Mi", "150m", "256Mi"),
        "S": Preset("100m", "128Mi", "200m", "256Mi"),
        "M": Preset("200m", "256Mi", "400m", "512Mi"),
        "L": Preset("400m", "512Mi", "800m", "1Gi"),
        "XL": Preset("800m", "1Gi", "1600m", "2Gi"),
    }
)
DEFAULT_PRESET: ProfileName = "L"
# Below this an interpreter does not start in useful time, or at all.
SMALLEST_CPU = "10m"
SMALLEST_MEMORY = "16Mi"
