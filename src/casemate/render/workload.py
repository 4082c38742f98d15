"""The objects that run the Pod template on Kubernetes: Deployment, Service, and what scaling asks.

An autoscaler and a disruption budget exist only when the manifest asks for more than one instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.cluster_objects import (
    Deployment,
    DeploymentSpec,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
    LabelSelector,
    Metric,
    MetricTarget,
    PodDisruptionBudget,
    PodDisruptionBudgetSpec,
    ResourceMetric,
    ScaleTarget,
    Service,
    ServicePort,
    ServiceSpec,
)
from casemate.api.effective import desired_replicas, scaling_bounds
from casemate.render.env import HTTP_PORT
from casemate.render.labels import object_meta, selector_labels

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.api.workload import PodTemplate

SERVICE_PORT = 80
# Old ReplicaSets are only good for `kubectl rollout undo`; revisions are kept elsewhere.
REVISION_HISTORY = 3
PROGRESS_DEADLINE_SECONDS = 600
CPU_UTILIZATION_PERCENT = 70


def render_deployment(function: Function, template: PodTemplate) -> Deployment:
    """Describe the Deployment that keeps the Pods."""
    return Deployment(
        metadata=object_meta(function),
        spec=DeploymentSpec(
            replicas=desired_replicas(function.spec),
            revision_history_limit=REVISION_HISTORY,
            progress_deadline_seconds=PROGRESS_DEADLINE_SECONDS,
            selector=LabelSelector(match_labels=selector_labels(function)),
            template=template,
        ),
    )


def render_service(function: Function) -> Service:
    """Describe the Service: Kyma's port 80 in front of the container's."""
    port = ServicePort(name="http", port=SERVICE_PORT, target_port=HTTP_PORT, app_protocol="http")
    return Service(
        metadata=object_meta(function),
        spec=ServiceSpec(selector=selector_labels(function), ports=(port,)),
    )


def render_autoscaler(function: Function) -> HorizontalPodAutoscaler | None:
    """Describe the autoscaler, if the manifest names bounds that leave room to scale."""
    bounds = scaling_bounds(function.spec)
    asked = function.spec.scaling is not None or function.spec.scale_config is not None
    low = max(1, bounds.min)
    if not asked or bounds.max <= low:
        return None
    target = MetricTarget(average_utilization=CPU_UTILIZATION_PERCENT)
    return HorizontalPodAutoscaler(
        metadata=object_meta(function),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=ScaleTarget(name=function.ref.name),
            # From zero to one and back is the gateway's work; this scales what runs.
            min_replicas=low,
            max_replicas=bounds.max,
            metrics=(Metric(resource=ResourceMetric(target=target)),),
        ),
    )


def render_disruption_budget(function: Function) -> PodDisruptionBudget | None:
    """Describe the disruption budget, if at least two instances are always wanted."""
    if scaling_bounds(function.spec).min <= 1:
        return None
    return PodDisruptionBudget(
        metadata=object_meta(function),
        spec=PodDisruptionBudgetSpec(
            max_unavailable=1, selector=LabelSelector(match_labels=selector_labels(function))
        ),
    )
