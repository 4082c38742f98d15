"""Rule: a process may not gain more rights than its parent (set-user-ID files, for one).

Restricted fields
    spec.containers[*].securityContext.allowPrivilegeEscalation (init and ephemeral ones too)
Allowed values
    false
Level and versions
    restricted; since v1.8, when the field was added; since v1.25 not for Windows Pods, where the
    API refuses the field
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix


def check_allow_privilege_escalation(pod: PodView) -> Broken | None:
    """Require the field in every container: left out, the kernel's default would be to allow."""
    open_ones = [
        container.label
        for container in pod.containers
        if container.allow_privilege_escalation is not False
    ]
    if not open_ones:
        return None
    return Broken(
        "privilege escalation not ruled out",
        fix(open_ones, "set securityContext.allowPrivilegeEscalation to false"),
    )


def check_unless_windows(pod: PodView) -> Broken | None:
    """Check Pods for Linux only."""
    return None if pod.is_windows else check_allow_privilege_escalation(pod)


RULE = Rule(
    id="allowPrivilegeEscalation",
    level=Level.RESTRICTED,
    revisions=(
        Revision(8, check_allow_privilege_escalation),
        Revision(25, check_unless_windows),
    ),
)
