"""Rule: every container promises not to run as root, unless the Pod has users of its own.

Restricted fields
    spec.securityContext.runAsNonRoot
    spec.containers[*].securityContext.runAsNonRoot (init and ephemeral ones too)
Allowed values
    true; undefined in a container if the Pod says true; since v1.35 any if spec.hostUsers is false
Level and versions
    restricted; since v1.0
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix


def check_run_as_non_root(pod: PodView) -> Broken | None:
    """Refuse an explicit false anywhere, and silence in a container that the Pod does not cover.

    A false at the Pod is refused even if every container overrides it: the next one may not.
    """
    denying = [context.owner for context in pod.contexts if context.run_as_non_root is False]
    silent = [
        container.label
        for container in pod.containers
        if container.context.run_as_non_root is None and pod.context.run_as_non_root is None
    ]
    details = []
    if denying:
        details.append(fix(denying, "set securityContext.runAsNonRoot to true (found false)"))
    if silent:
        details.append(fix(silent, "set securityContext.runAsNonRoot to true there or on the pod"))
    return Broken("may run as root", "; ".join(details)) if details else None


def check_unless_own_users(pod: PodView) -> Broken | None:
    """Let Pods with a user namespace run as root: their root is nobody on the host."""
    return None if pod.has_own_users else check_run_as_non_root(pod)


RULE = Rule(
    id="runAsNonRoot",
    level=Level.RESTRICTED,
    revisions=(Revision(0, check_run_as_non_root), Revision(35, check_unless_own_users)),
)
