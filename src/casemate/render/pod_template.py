"""Function and policy -> the Pod template that both engines run.

One container, no init container, no host namespace, no token, no writable place but /tmp. Whatever
the manifest asks beyond that is refused here with the reason, never dropped.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from casemate.api.catalogue import Language
from casemate.api.names import RESERVED_ANNOTATION
from casemate.api.paths import FUNCTION_DIR, RUNTIME_DIR
from casemate.api.quantity import size_bytes
from casemate.api.workload import (
    Container,
    ContainerPort,
    HttpGetAction,
    PodSpec,
    PodTemplate,
    Probe,
    TemplateMeta,
)
from casemate.render.env import HTTP_PORT, METRICS_PORT, render_env
from casemate.render.hardening import harden
from casemate.render.labels import pod_labels
from casemate.render.resources import render_resources
from casemate.render.volumes import render_volumes

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.render.policy import RenderPolicy

CONTAINER_NAME = "function"
HEALTH_PATH = "/healthz"
# The runtime drains for `drain_seconds`; the kubelet waits a little longer before it kills.
KILL_MARGIN_SECONDS = 5
# Evidence for each stands in runtimes/nodejs/flags.json; a test holds the two together.
# The heap's share of the memory limit; the rest is for buffers, code and the watching thread.
NODE_HEAP_PERCENT = 65
NODE_LEAST_HEAP_MIB = 32
# ATTACK: without the second, user code that signals its own process opens a debugger's port.
# tests/unit/render/test_node_flags.py
NODE_FLAGS = ("--max-semi-space-size=4", "--disable-sigusr1")
_MEBIBYTE = 1024 * 1024


def render_pod_template(function: Function, policy: RenderPolicy) -> PodTemplate:
    """Describe the one Pod shape that both engines run.

    Equal inputs give equal bytes: a changed template hash means a changed Function or policy.
    Raises Unrenderable rather than leave out something the manifest asked for.
    """
    resources = render_resources(function.spec, policy)
    volumes = render_volumes(function, policy, storage_limit=resources.limits["ephemeral-storage"])
    hardened = harden(function, policy)
    memory_limit = resources.limits["memory"]
    container = Container(
        name=CONTAINER_NAME,
        image=function.spec.runtime_image_override or policy.runtime_image,
        command=render_command(function, memory_limit),
        working_dir=FUNCTION_DIR,
        env=render_env(function, policy, memory_limit=memory_limit),
        ports=(
            ContainerPort(name="http", container_port=HTTP_PORT),
            ContainerPort(name="metrics", container_port=METRICS_PORT),
        ),
        resources=resources,
        security_context=hardened.container,
        volume_mounts=tuple(mounted.mount for mounted in volumes),
        # Starting may take as long as with Kyma, 150 s, but is noticed within a second.
        startup_probe=_probe(period_seconds=1, timeout_seconds=1, failure_threshold=150),
        readiness_probe=_probe(period_seconds=5, timeout_seconds=2, failure_threshold=1),
        liveness_probe=_probe(period_seconds=5, timeout_seconds=4, failure_threshold=3),
        termination_message_policy="File",
    )
    return PodTemplate(
        metadata=TemplateMeta(labels=pod_labels(function), annotations=_annotations(function)),
        spec=PodSpec(
            service_account_name=function.ref.name,
            automount_service_account_token=False,
            enable_service_links=False,
            restart_policy="Always",
            termination_grace_period_seconds=policy.drain_seconds + KILL_MARGIN_SECONDS,
            security_context=hardened.pod,
            containers=(container,),
            volumes=tuple(mounted.volume for mounted in volumes),
        ),
    )


def render_command(function: Function, memory_limit: str) -> tuple[str, ...]:
    """Return the argv: the interpreter by the name that every image gives it, and the server."""
    interpreter = function.runtime.interpreter
    if function.runtime.language is Language.PYTHON:
        # -I and -S: neither the environment nor site-packages decide what is imported.
        return (interpreter, "-I", "-S", f"{RUNTIME_DIR}/server.py")
    share = size_bytes(memory_limit) * NODE_HEAP_PERCENT // 100 // _MEBIBYTE
    heap = f"--max-old-space-size={max(NODE_LEAST_HEAP_MIB, share)}"
    return (interpreter, *NODE_FLAGS, heap, f"{RUNTIME_DIR}/server.mjs")


def _probe(*, period_seconds: int, timeout_seconds: int, failure_threshold: int) -> Probe:
    return Probe(
        http_get=HttpGetAction(path=HEALTH_PATH, port=HTTP_PORT),
        period_seconds=period_seconds,
        timeout_seconds=timeout_seconds,
        failure_threshold=failure_threshold,
    )


def _annotations(function: Function) -> dict[str, str]:
    mesh = {
        # The proxy must stand before the Function opens its first connection.
        RESERVED_ANNOTATION: json.dumps({"holdApplicationUntilProxyStarts": True}),
        "sidecar.istio.io/nativeSidecar": "true",
    }
    return {**(function.spec.annotations or {}), **mesh}
