"""Rule: the masked view of /proc stays, whatever users the Pod has.

Restricted fields
    spec.containers[*].securityContext.procMount (init and ephemeral ones too)
Allowed values
    undefined, Default
Level and versions
    restricted; since v1.35, in place of the baseline rule procMount, which until then said the
    same and from then on lets Pods with a user namespace choose
"""

from __future__ import annotations

from casemate.security.pss.check_proc_mount_baseline import RULE_ID as BASELINE_RULE_ID
from casemate.security.pss.check_proc_mount_baseline import check_proc_mount
from casemate.security.pss.levels import Level
from casemate.security.pss.rule import Revision, Rule

RULE = Rule(
    id="procMount_restricted",
    level=Level.RESTRICTED,
    # The check is the baseline rule's own of v1.0: it never looked at user namespaces.
    revisions=(Revision(35, check_proc_mount, frozenset({BASELINE_RULE_ID})),),
)
