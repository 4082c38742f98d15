"""The environment of a Function's container: Kyma's names, ours, then what the manifest sets.

A manifest may replace every variable but the reserved ones, which its type has refused already.
The source is never among them: Kyma puts it there, and everyone who may read Pods reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.catalogue import Language
from casemate.api.effective import request_limit_mb, scaling_bounds, timeout_seconds
from casemate.api.paths import TMP_DIR
from casemate.api.workload import EnvVar, EnvVarSource, KeySelector

if TYPE_CHECKING:
    from casemate.api.env import FunctionEnvVar
    from casemate.api.function import Function
    from casemate.render.policy import RenderPolicy

HTTP_PORT = 8080
METRICS_PORT = 8081


def render_env(
    function: Function, policy: RenderPolicy, *, memory_limit: str
) -> tuple[EnvVar, ...]:
    """Return the variables in a fixed order; a name that the manifest sets stands at its end."""
    own = function.spec.env or ()
    replaced = {variable.name for variable in own}
    platform = _platform(function, policy, memory_limit)
    kept = tuple(
        EnvVar(name=name, value=value) for name, value in platform.items() if name not in replaced
    )
    return (*kept, *(_from_manifest(variable) for variable in own))


def _platform(function: Function, policy: RenderPolicy, memory_limit: str) -> dict[str, str]:
    spec = function.spec
    variables = {
        "FUNC_NAME": function.ref.name,
        "FUNC_RUNTIME": spec.runtime,
        "SERVICE_NAMESPACE": function.ref.namespace,
        "FUNC_HANDLER": "main",
        "MOD_NAME": "handler",
        "FUNC_PORT": str(HTTP_PORT),
        "FUNC_TIMEOUT": str(timeout_seconds(spec, policy.timeout_seconds)),
        "FUNC_MEMORY_LIMIT": memory_limit,
        "FUNC_DRAIN_SECONDS": str(policy.drain_seconds),
        "REQ_MB_LIMIT": str(request_limit_mb(spec)),
        "TRACE_COLLECTOR_ENDPOINT": policy.tracing_endpoint,
        "PUBLISHER_PROXY_ADDRESS": policy.eventing_endpoint,
        "CASEMATE_CONCURRENCY": str(scaling_bounds(spec).concurrency),
        "CASEMATE_LOG_FORMAT": policy.log_format,
        "CASEMATE_METRICS_PORT": str(METRICS_PORT),
        # The root file system is read-only; libraries that write caches look here.
        "HOME": TMP_DIR,
    }
    if function.runtime.language is Language.PYTHON:
        variables["PYTHONUNBUFFERED"] = "TRUE"
    return {name: value for name, value in variables.items() if value}


def _from_manifest(variable: FunctionEnvVar) -> EnvVar:
    source = variable.value_from
    if source is None:
        return EnvVar(name=variable.name, value=variable.value or "")
    return EnvVar(
        name=variable.name,
        value_from=EnvVarSource(
            secret_key_ref=_selector(source.secret_key_ref),
            config_map_key_ref=_selector(source.config_map_key_ref),
            field_ref=source.field_ref,
        ),
    )


def _selector(selector: KeySelector | None) -> KeySelector | None:
    if selector is None:
        return None
    return KeySelector(name=selector.name, key=selector.key, optional=selector.optional)
