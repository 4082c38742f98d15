"""Rule: a system call filter is named for every container.

Restricted fields
    spec.securityContext.seccompProfile.type
    spec.containers[*].securityContext.seccompProfile.type (init and ephemeral ones too)
Allowed values
    RuntimeDefault, Localhost; undefined in a container if the Pod names one of them
Level and versions
    restricted; since v1.19, in place of seccompProfile_baseline; since v1.25 not for Windows Pods
"""

from __future__ import annotations

from casemate.security.pss.check_seccomp_profile_baseline import ALLOWED_TYPES, explicitly_bad
from casemate.security.pss.check_seccomp_profile_baseline import RULE_ID as BASELINE_RULE_ID
from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix

WANTED = 'set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'


def check_seccomp_profile_restricted(pod: PodView) -> Broken | None:
    """Refuse a bad profile anywhere, and silence in a container that the Pod does not cover."""
    setters = explicitly_bad(pod)
    silent = [
        container.label
        for container in pod.containers
        if container.context.seccomp_type is None and pod.context.seccomp_type not in ALLOWED_TYPES
    ]
    details = []
    if setters:
        details.append(fix(setters, WANTED))
    if silent:
        details.append(fix(silent, f"{WANTED} there or on the pod"))
    return Broken("no seccomp profile", "; ".join(details)) if details else None


def check_unless_windows(pod: PodView) -> Broken | None:
    """Check Pods for Linux only: on Windows the API refuses the field."""
    return None if pod.is_windows else check_seccomp_profile_restricted(pod)


REPLACED = frozenset({BASELINE_RULE_ID})
RULE = Rule(
    id="seccompProfile_restricted",
    level=Level.RESTRICTED,
    revisions=(
        Revision(19, check_seccomp_profile_restricted, REPLACED),
        Revision(25, check_unless_windows, REPLACED),
    ),
)
