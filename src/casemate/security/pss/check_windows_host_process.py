"""Rule: no Windows container runs as a process of the host.

Restricted fields
    spec.securityContext.windowsOptions.hostProcess
    spec.containers[*].securityContext.windowsOptions.hostProcess (init and ephemeral ones too)
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


def check_windows_host_process(pod: PodView) -> Broken | None:
    """Name the Pod or containers that ask for it."""
    owners = [context.owner for context in pod.contexts if context.host_process is True]
    if not owners:
        return None
    wanted = "set securityContext.windowsOptions.hostProcess to false, or leave it out"
    return Broken("hostProcess containers", fix(owners, wanted))


RULE = Rule(
    id="windowsHostProcess",
    level=Level.BASELINE,
    revisions=(Revision(0, check_windows_host_process),),
)
