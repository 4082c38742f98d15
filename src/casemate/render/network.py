"""Default deny both ways, then the edges that the manifest grants.

Every call goes through the platform: a caller reaches a Function through the gateway, which checks
its token and both sides' grants; a Function reaches Functions through the gateway and everything
else through the egress proxy, which holds the list of names. A NetworkPolicy knows no names and no
tokens, so a direct edge between Pods would be wider than what was granted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.api.cluster_objects import (
    EgressRule,
    IngressRule,
    LabelSelector,
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from casemate.render.env import HTTP_PORT, METRICS_PORT
from casemate.render.labels import object_meta, selector_labels

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.render.policy import PeerLabels, RenderPolicy

GATEWAY_PORT = 8080
EGRESS_PORT = 3128
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def render_network_policy(function: Function, policy: RenderPolicy) -> NetworkPolicy:
    """Describe who may open connections to and from the Function's Pods."""
    return NetworkPolicy(
        metadata=object_meta(function),
        spec=NetworkPolicySpec(
            pod_selector=LabelSelector(match_labels=selector_labels(function)),
            ingress=(
                IngressRule(
                    sources=(_peer(policy.gateway),),
                    ports=(NetworkPolicyPort(port=HTTP_PORT), NetworkPolicyPort(port=METRICS_PORT)),
                ),
            ),
            egress=_egress(function, policy),
        ),
    )


def _egress(function: Function, policy: RenderPolicy) -> tuple[EgressRule, ...]:
    access = function.spec.access
    if access is None:
        return ()
    rules = []
    if any(grant.function is not None for grant in access.calls):
        rules.append(_rule(policy.gateway, GATEWAY_PORT))
    if access.publishes or any(grant.function is None for grant in access.calls):
        rules.append(_rule(policy.egress_proxy, EGRESS_PORT))
    return tuple(rules)


def _rule(peer: PeerLabels, port: int) -> EgressRule:
    return EgressRule(to=(_peer(peer),), ports=(NetworkPolicyPort(port=port),))


def _peer(peer: PeerLabels) -> NetworkPolicyPeer:
    return NetworkPolicyPeer(
        namespace_selector=LabelSelector(match_labels={_NAMESPACE_LABEL: peer.namespace}),
        pod_selector=LabelSelector(match_labels=dict(peer.pod_labels)),
    )
