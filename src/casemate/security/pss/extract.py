"""Finds the Pod inside an object: where each Kubernetes kind keeps its Pod template.

A kind is known to hold a Pod here, known to hold none, or unknown. Unknown is never taken for
"holds none": a custom workload, a misspelt kind or a Function that was not rendered would pass
unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from casemate.security.pss.node import Node, type_name
from casemate.security.pss.wording import quoted

_SPEC_TEMPLATE = ("spec", "template")
# (API group, kind) -> where the object with `metadata` and `spec` of the Pod is.
POD_PATHS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): _SPEC_TEMPLATE,
    ("apps", "DaemonSet"): _SPEC_TEMPLATE,
    ("apps", "Deployment"): _SPEC_TEMPLATE,
    ("apps", "ReplicaSet"): _SPEC_TEMPLATE,
    ("apps", "StatefulSet"): _SPEC_TEMPLATE,
    # The group that the three had up to v1.15; policy versions that old are still evaluated.
    ("extensions", "DaemonSet"): _SPEC_TEMPLATE,
    ("extensions", "Deployment"): _SPEC_TEMPLATE,
    ("extensions", "ReplicaSet"): _SPEC_TEMPLATE,
    ("batch", "Job"): _SPEC_TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_SPEC_TEMPLATE),
}
# Kinds that stand beside workloads in manifests and that no Pod comes from.
PODLESS: Mapping[str, frozenset[str]] = {
    "": frozenset({
        "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "PersistentVolume",
        "PersistentVolumeClaim", "ResourceQuota", "Secret", "Service", "ServiceAccount",
    }),
    "admissionregistration.k8s.io": frozenset({
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
    }),
    "apiextensions.k8s.io": frozenset({"CustomResourceDefinition"}),
    "apiregistration.k8s.io": frozenset({"APIService"}),
    "autoscaling": frozenset({"HorizontalPodAutoscaler"}),
    "coordination.k8s.io": frozenset({"Lease"}),
    "discovery.k8s.io": frozenset({"EndpointSlice"}),
    "gateway.networking.k8s.io": frozenset({
        "GRPCRoute", "Gateway", "GatewayClass", "HTTPRoute", "ReferenceGrant",
    }),
    "networking.k8s.io": frozenset({"Ingress", "IngressClass", "NetworkPolicy"}),
    "node.k8s.io": frozenset({"RuntimeClass"}),
    "policy": frozenset({"PodDisruptionBudget"}),
    "rbac.authorization.k8s.io": frozenset({
        "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
    }),
    "scheduling.k8s.io": frozenset({"PriorityClass"}),
    "storage.k8s.io": frozenset({"CSIDriver", "StorageClass", "VolumeAttributesClass"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extracted:
    """An object's kind and name, its Pod if it has one, and what is wrong with its shape.

    `unknown` says that nobody knows whether the object leads to Pods.
    """

    kind: str
    name: str
    pod: Node | None = None
    unknown: str = ""
    problems: tuple[str, ...] = ()


def extract_pod(document: object) -> Extracted:
    """Find the Pod in a decoded object of any kind and shape."""
    if not isinstance(document, Mapping):
        return Extracted("", "", problems=(f"the document is {type_name(document)}",))
    top = Node(document)
    kind = top.text("kind") or ""
    api_version = top.text("apiVersion") or ""
    metadata = top.child_or_empty("metadata")
    name = metadata.text("name") or metadata.text("generateName") or ""
    group = api_version.rpartition("/")[0]
    path = POD_PATHS.get((group, kind))
    if path is None:
        unknown = ""
        if kind not in PODLESS.get(group, frozenset()):
            unknown = f"apiVersion {quoted(api_version)}, kind {quoted(kind)}"
        return Extracted(kind, name, unknown=unknown, problems=tuple(top.problems))
    pod = top
    for key in path:
        pod = pod.child_or_empty(key)
    return Extracted(kind, name, pod=pod, problems=tuple(top.problems))


def flatten(document: object) -> Iterator[object]:
    """Yield the items of a `List` (or `PodList`, ...), and any other object as it is.

    One level deep: a list in a list, or in itself, comes out as an object of unknown kind.
    """
    if not isinstance(document, Mapping):
        yield document
        return
    kind = document.get("kind")
    items = document.get("items")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        yield document
        return
    for item in items:
        if kind != "List" and isinstance(item, Mapping) and "kind" not in item:
            # The API leaves out kind and version inside a list of one kind.
            inherited = {"kind": kind.removesuffix("List"), **_api_version(document)}
            yield {**inherited, **item}
        else:
            yield item


def _api_version(document: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": document["apiVersion"]} if "apiVersion" in document else {}
