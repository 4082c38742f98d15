"""Rule: no container is privileged, which would switch off nearly all of its isolation.

Restricted fields
    spec.containers[*].securityContext.privileged (init and ephemeral ones too)
Allowed values
    undefined, false
Level and versions
    baseline; since v1.0
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix


def check_privileged(pod: PodView) -> Broken | None:
    """Name each container that asks to be privileged."""
    owners = [container.label for container in pod.containers if container.privileged is True]
    if not owners:
        return None
    return Broken(
        "privileged containers",
        fix(owners, "set securityContext.privileged to false, or leave it out"),
    )


RULE = Rule(
    id="privileged",
    level=Level.BASELINE,
    revisions=(Revision(0, check_privileged),),
)
