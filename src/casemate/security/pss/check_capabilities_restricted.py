"""Rule: every capability is dropped, and only the one for low ports may come back.

Restricted fields
    spec.containers[*].securityContext.capabilities.drop (init and ephemeral ones too)
Allowed values
    any list with ALL in it
Restricted fields
    spec.containers[*].securityContext.capabilities.add (init and ephemeral ones too)
Allowed values
    undefined, empty, NET_BIND_SERVICE
Level and versions
    restricted; since v1.22, in place of capabilities_baseline; since v1.25 not for Windows Pods
"""

from __future__ import annotations

from casemate.security.pss.check_capabilities_baseline import RULE_ID as BASELINE_RULE_ID
from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, quoted_set

ALL = "ALL"
ALLOWED_TO_ADD = frozenset({"NET_BIND_SERVICE"})


def check_capabilities_restricted(pod: PodView) -> Broken | None:
    """Judge drop and add apart, so that one answer tells both."""
    keeping = [
        container.label for container in pod.containers if ALL not in container.capabilities.drop
    ]
    adding = [
        (container.label, set(container.capabilities.add) - ALLOWED_TO_ADD)
        for container in pod.containers
    ]
    owners = [label for label, extra in adding if extra]
    details = []
    if keeping:
        details.append(fix(keeping, 'set securityContext.capabilities.drop to ["ALL"]'))
    if owners:
        extra_names = quoted_set(name for _, extra in adding for name in extra)
        details.append(fix(owners, f"remove {extra_names} from securityContext.capabilities.add"))
    return Broken("capabilities not dropped", "; ".join(details)) if details else None


def check_unless_windows(pod: PodView) -> Broken | None:
    """Check Pods for Linux only: on Windows the API refuses the field."""
    return None if pod.is_windows else check_capabilities_restricted(pod)


REPLACED = frozenset({BASELINE_RULE_ID})
RULE = Rule(
    id="capabilities_restricted",
    level=Level.RESTRICTED,
    revisions=(
        Revision(22, check_capabilities_restricted, REPLACED),
        Revision(25, check_unless_windows, REPLACED),
    ),
)
