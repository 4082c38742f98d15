"""A render policy from what is known: enough to show the objects, before anything is built.

What a build would find out (the digest of the image, of the dependency layer) is marked as unknown
rather than invented: an all-zero digest never names anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from casemate.api.function import Function
from casemate.api.function_policy import FunctionPolicy
from casemate.api.presets import PRESETS, Preset
from casemate.api.serverless import Serverless
from casemate.api.workload import WireModel
from casemate.errors import Unsupported
from casemate.render.function import render_objects
from casemate.render.policy import RenderPolicy
from casemate.security.relaxations import relaxation_policy
from casemate.sources.inline import inline_source
from casemate.sources.lockfile import parse_dependencies

UNKNOWN_DIGEST = "sha256:" + "0" * 64
IMAGE_REPOSITORY = "casemate.local/runtimes"


class SourceNotLocal(Unsupported):
    """A Function's code comes from where this engine cannot fetch it."""

    code = "SourceNotLocal"


def runtime_image(runtime: str, digest: str) -> str:
    """Name the image of a runtime by what is in it."""
    return f"{IMAGE_REPOSITORY}/{runtime}@{digest}"


def render_policy(
    function: Function,
    *,
    serverless: Serverless | None = None,
    policies: Iterable[FunctionPolicy] = (),
    namespace_labels: dict[str, str] | None = None,
) -> RenderPolicy:
    """Return the decisions about one Function, with digests of what its manifest holds itself."""
    inline = function.spec.source.inline
    if inline is None:
        raise SourceNotLocal(
            f"function {function.ref} takes its source from Git, which is not available here yet",
            hint="put the code into source.inline, or run its folder",
        )
    source = inline_source(inline.source, inline.dependencies, runtime=function.runtime)
    dependencies = parse_dependencies(inline.dependencies, function.runtime.language)
    spec = serverless.spec if serverless is not None else None
    relaxations = relaxation_policy(
        spec.security.relaxations if spec else "deny",
        [policy.spec for policy in policies],
        function=function.ref.name,
        namespace=function.ref.namespace,
        namespace_labels=namespace_labels or {},
    )
    return RenderPolicy(
        runtime_image=runtime_image(function.spec.runtime, UNKNOWN_DIGEST),
        source_digest=source.digest,
        source_files=tuple(source.files),
        layer_digest=UNKNOWN_DIGEST if dependencies is not None else None,
        allowed_relaxations=relaxations.allowed_fields,
        allow_every_relaxation=relaxations.allow_every_relaxation,
        presets=_presets(serverless),
        default_preset=(spec and spec.default_runtime_pod_preset) or "L",
        timeout_seconds=int((spec and spec.function_timeout_sec) or 180),
        tracing_endpoint=spec.tracing.endpoint if spec and spec.tracing else "",
        eventing_endpoint=spec.eventing.endpoint if spec and spec.eventing else "",
    )


def rendered_objects(function: Function) -> tuple[WireModel, ...]:
    """Return the Kubernetes objects of a Function, under the default policy."""
    return render_objects(function, render_policy(function))


def _presets(serverless: Serverless | None) -> dict[str, Preset]:
    presets: dict[str, Preset] = dict(PRESETS)
    own = serverless.spec.presets if serverless is not None else None
    for name, amounts in (own or {}).items():
        presets[name] = Preset(
            request_cpu=amounts.request_cpu,
            request_memory=amounts.request_memory,
            limit_cpu=amounts.limit_cpu,
            limit_memory=amounts.limit_memory,
        )
    return presets
