"""Function and policy -> every object that runs it on Kubernetes, in the order to apply them.

The Secret with the source is not among them: its bytes belong to the step that fetched them. No
ConfigMap exists at all, because a namespace's readers read every ConfigMap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.render.network import render_network_policy
from casemate.render.pod_template import render_pod_template
from casemate.render.rbac import render_service_account
from casemate.render.workload import (
    render_autoscaler,
    render_deployment,
    render_disruption_budget,
    render_service,
)

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.api.workload import WireModel
    from casemate.render.policy import RenderPolicy


def render_objects(function: Function, policy: RenderPolicy) -> tuple[WireModel, ...]:
    """Describe the objects. The network policy comes before the Pods that it closes in."""
    template = render_pod_template(function, policy)
    optional = (render_autoscaler(function), render_disruption_budget(function))
    return (
        render_service_account(function),
        render_network_policy(function, policy),
        render_deployment(function, template),
        render_service(function),
        *(rendered for rendered in optional if rendered is not None),
    )
