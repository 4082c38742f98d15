"""The Kubernetes objects around a Function's Pod: only the fields that the renderer emits.

Source of names and meanings: Kubernetes API v1.36, apps/v1, core/v1, networking/v1, policy/v1 and
autoscaling/v2.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from casemate.api.meta import OwnerReference
from casemate.api.workload import PodTemplate, WireModel


class RenderedMeta(WireModel):
    """The metadata that a renderer may set; the server owns the rest."""

    name: str
    namespace: str
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class LabelSelector(WireModel):
    """meta/v1 LabelSelector, by equality."""

    match_labels: dict[str, str]


class RollingUpdate(WireModel):
    """How far a rollout may leave the wanted number."""

    max_surge: int
    max_unavailable: int


class DeploymentStrategy(WireModel):
    """apps/v1 DeploymentStrategy."""

    type: Literal["RollingUpdate"] = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate(max_surge=1, max_unavailable=0)


class DeploymentSpec(WireModel):
    """apps/v1 DeploymentSpec."""

    replicas: int
    revision_history_limit: int
    progress_deadline_seconds: int
    selector: LabelSelector
    strategy: DeploymentStrategy = DeploymentStrategy()
    template: PodTemplate


class Deployment(WireModel):
    """apps/v1 Deployment."""

    api_version: Literal["apps/v1"] = "apps/v1"
    kind: Literal["Deployment"] = "Deployment"
    metadata: RenderedMeta
    spec: DeploymentSpec


class ServicePort(WireModel):
    """One port of a Service."""

    name: str
    port: int
    target_port: int
    protocol: Literal["TCP"] = "TCP"
    app_protocol: str | None = None


class ServiceSpec(WireModel):
    """core/v1 ServiceSpec."""

    type: Literal["ClusterIP"] = "ClusterIP"
    selector: dict[str, str]
    ports: tuple[ServicePort, ...]


class Service(WireModel):
    """core/v1 Service."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Service"] = "Service"
    metadata: RenderedMeta
    spec: ServiceSpec


class RenderedServiceAccount(WireModel):
    """core/v1 ServiceAccount, always without a token in the Pod."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["ServiceAccount"] = "ServiceAccount"
    metadata: RenderedMeta
    automount_service_account_token: Literal[False] = False


class NetworkPolicyPeer(WireModel):
    """Pods with these labels in namespaces with those labels."""

    namespace_selector: LabelSelector
    pod_selector: LabelSelector


class NetworkPolicyPort(WireModel):
    """One port."""

    port: int
    protocol: Literal["TCP", "UDP"] = "TCP"


class IngressRule(WireModel):
    """Who may open connections to which port."""

    sources: tuple[NetworkPolicyPeer, ...] = Field(alias="from")
    ports: tuple[NetworkPolicyPort, ...]


class EgressRule(WireModel):
    """Where connections may go."""

    to: tuple[NetworkPolicyPeer, ...]
    ports: tuple[NetworkPolicyPort, ...]


class NetworkPolicySpec(WireModel):
    """networking/v1 NetworkPolicySpec; both directions are named, so an empty list denies."""

    pod_selector: LabelSelector
    policy_types: tuple[Literal["Ingress", "Egress"], ...] = ("Ingress", "Egress")
    ingress: tuple[IngressRule, ...]
    egress: tuple[EgressRule, ...]


class NetworkPolicy(WireModel):
    """networking/v1 NetworkPolicy."""

    api_version: Literal["networking.k8s.io/v1"] = "networking.k8s.io/v1"
    kind: Literal["NetworkPolicy"] = "NetworkPolicy"
    metadata: RenderedMeta
    spec: NetworkPolicySpec


class PodDisruptionBudgetSpec(WireModel):
    """policy/v1 PodDisruptionBudgetSpec."""

    max_unavailable: int
    selector: LabelSelector


class PodDisruptionBudget(WireModel):
    """policy/v1 PodDisruptionBudget."""

    api_version: Literal["policy/v1"] = "policy/v1"
    kind: Literal["PodDisruptionBudget"] = "PodDisruptionBudget"
    metadata: RenderedMeta
    spec: PodDisruptionBudgetSpec


class ScaleTarget(WireModel):
    """What an autoscaler scales."""

    api_version: str = "apps/v1"
    kind: str = "Deployment"
    name: str


class MetricTarget(WireModel):
    """The value to hold."""

    type: Literal["Utilization"] = "Utilization"
    average_utilization: int


class ResourceMetric(WireModel):
    """A resource's use as a share of its request."""

    name: Literal["cpu"] = "cpu"
    target: MetricTarget


class Metric(WireModel):
    """autoscaling/v2 MetricSpec."""

    type: Literal["Resource"] = "Resource"
    resource: ResourceMetric


class HorizontalPodAutoscalerSpec(WireModel):
    """autoscaling/v2 HorizontalPodAutoscalerSpec."""

    scale_target_ref: ScaleTarget
    min_replicas: int
    max_replicas: int
    metrics: tuple[Metric, ...]


class HorizontalPodAutoscaler(WireModel):
    """autoscaling/v2 HorizontalPodAutoscaler."""

    api_version: Literal["autoscaling/v2"] = "autoscaling/v2"
    kind: Literal["HorizontalPodAutoscaler"] = "HorizontalPodAutoscaler"
    metadata: RenderedMeta
    spec: HorizontalPodAutoscalerSpec
