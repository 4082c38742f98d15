"""What a Function's optional fields come to once defaults and Kyma's older spellings are applied.

Pure; who needs a timeout, a body limit or the bounds of scaling asks here, so that the renderer,
the gateway and the node cannot disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from casemate.api.catalogue import RUNTIMES, Language
from casemate.api.env import env_value
from casemate.api.function import DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT_SECONDS, Scaling

if TYPE_CHECKING:
    from casemate.api.function import FunctionSpec

# Kyma's limits: body-parser's 1 MB for Node, bottle's MEMFILE_MAX of 100 MiB for Python.
REQUEST_LIMIT_MB = {Language.NODEJS: 1, Language.PYTHON: 100}
MEBIBYTE = 1024 * 1024


class ScalingBounds(NamedTuple):
    """How many instances, how many requests each, and how long an idle one stays."""

    min: int
    max: int
    concurrency: int
    idle_seconds: int


def timeout_seconds(spec: FunctionSpec, default: int = DEFAULT_TIMEOUT_SECONDS) -> int:
    """Return the seconds that one request may take: the field, then FUNC_TIMEOUT, then default."""
    if spec.timeout_seconds is not None:
        return spec.timeout_seconds
    return int(env_value(spec.env, "FUNC_TIMEOUT") or default)


def request_limit_mb(spec: FunctionSpec) -> int:
    """Return the largest request body in mebibytes: REQ_MB_LIMIT, or the language's default."""
    default = REQUEST_LIMIT_MB[RUNTIMES[spec.runtime].language]
    return int(env_value(spec.env, "REQ_MB_LIMIT") or default)


def request_limit_bytes(spec: FunctionSpec) -> int:
    """Return the largest request body in bytes."""
    return request_limit_mb(spec) * MEBIBYTE


def scaling_bounds(spec: FunctionSpec) -> ScalingBounds:
    """Return the bounds of scaling.

    `replicas` alone is a fixed number, as in Kyma; with `scaling` or `scaleConfig` it is what an
    autoscaler last chose, and the bounds win. With nothing set a Function scales from zero.
    """
    idle = Scaling()
    if spec.scaling is not None:
        chosen = spec.scaling
        return ScalingBounds(chosen.min, chosen.max, chosen.concurrency, chosen.idle_seconds)
    if spec.scale_config is not None:
        low, high = spec.scale_config.min_replicas, spec.scale_config.max_replicas
    elif spec.replicas is not None:
        low = high = spec.replicas
    else:
        low, high = idle.min, idle.max
    return ScalingBounds(low, high, DEFAULT_CONCURRENCY, idle.idle_seconds)


def desired_replicas(spec: FunctionSpec) -> int:
    """Return how many replicas a Deployment starts with: `replicas` (1) within the bounds."""
    bounds = scaling_bounds(spec)
    wanted = 1 if spec.replicas is None else spec.replicas
    return min(max(wanted, bounds.min), bounds.max)
