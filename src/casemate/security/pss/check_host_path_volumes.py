"""Rule: no directory of the host is mounted.

Restricted fields
    spec.volumes[*].hostPath
Allowed values
    undefined
Level and versions
    baseline; since v1.0; at level restricted replaced by restrictedVolumes, which covers it
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix

RULE_ID = "hostPathVolumes"


def check_host_path_volumes(pod: PodView) -> Broken | None:
    """Name each volume whose source is a path of the host."""
    volumes = [volume.label for volume in pod.volumes if "hostPath" in volume.sources]
    if not volumes:
        return None
    return Broken("hostPath volumes", fix(volumes, "use another source than hostPath"))


RULE = Rule(
    id=RULE_ID,
    level=Level.BASELINE,
    revisions=(Revision(0, check_host_path_volumes),),
)
