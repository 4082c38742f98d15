"""Rule: the masked view of /proc stays, unless the Pod has users of its own.

Restricted fields
    spec.containers[*].securityContext.procMount (init and ephemeral ones too)
Allowed values
    undefined, Default; since v1.35 any value if spec.hostUsers is false
Level and versions
    baseline; since v1.0; at level restricted replaced by procMount_restricted from v1.35 on
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, quoted_set

RULE_ID = "procMount"
MASKED = "Default"


def check_proc_mount(pod: PodView) -> Broken | None:
    """Name each container that asks for another view of /proc than the masked one."""
    asking = [
        (container.label, container.proc_mount)
        for container in pod.containers
        if container.proc_mount is not None and container.proc_mount != MASKED
    ]
    if not asking:
        return None
    owners = [label for label, _ in asking]
    values = quoted_set(value for _, value in asking)
    wanted = 'set securityContext.procMount to "Default", or leave it out'
    return Broken("procMount not masked", fix(owners, f"{wanted} (found {values})"))


def check_unless_own_users(pod: PodView) -> Broken | None:
    """Let Pods with a user namespace choose: what is masked is not theirs to change there."""
    return None if pod.has_own_users else check_proc_mount(pod)


RULE = Rule(
    id=RULE_ID,
    level=Level.BASELINE,
    revisions=(Revision(0, check_proc_mount), Revision(35, check_unless_own_users)),
)
