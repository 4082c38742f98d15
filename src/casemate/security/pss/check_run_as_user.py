"""Rule: nobody asks for uid 0, unless the Pod has users of its own.

Restricted fields
    spec.securityContext.runAsUser
    spec.containers[*].securityContext.runAsUser (init and ephemeral ones too)
Allowed values
    undefined, any but 0; since v1.35 any if spec.hostUsers is false
Level and versions
    restricted; since v1.23
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix

ROOT = 0


def check_run_as_user(pod: PodView) -> Broken | None:
    """Name the Pod or containers that ask for uid 0."""
    owners = [context.owner for context in pod.contexts if context.run_as_user == ROOT]
    if not owners:
        return None
    wanted = "set securityContext.runAsUser to another uid than 0, or leave it out"
    return Broken("runs as uid 0", fix(owners, wanted))


def check_unless_own_users(pod: PodView) -> Broken | None:
    """Let Pods with a user namespace run as root: their root is nobody on the host."""
    return None if pod.has_own_users else check_run_as_user(pod)


RULE = Rule(
    id="runAsUser",
    level=Level.RESTRICTED,
    revisions=(Revision(23, check_run_as_user), Revision(35, check_unless_own_users)),
)
