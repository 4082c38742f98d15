"""Rule: no capability may be added beyond those that container runtimes give anyway.

Restricted fields
    spec.containers[*].securityContext.capabilities.add (init and ephemeral ones too)
Allowed values
    undefined, empty, or out of AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD
    NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT; NET_RAW is not among them
Level and versions
    baseline; since v1.0; at level restricted replaced by capabilities_restricted from v1.22 on
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, quoted_set

RULE_ID = "capabilities_baseline"
# Compared as written: the API knows names without CAP_ and in capitals only.
ALLOWED = frozenset({
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
})  # fmt: skip


def check_capabilities_baseline(pod: PodView) -> Broken | None:
    """Collect what each container adds beyond the runtime's own set."""
    adding = [
        (container.label, set(container.capabilities.add) - ALLOWED) for container in pod.containers
    ]
    owners = [label for label, extra in adding if extra]
    if not owners:
        return None
    extra_names = quoted_set(name for _, extra in adding for name in extra)
    return Broken(
        "capabilities beyond the default set",
        fix(owners, f"remove {extra_names} from securityContext.capabilities.add"),
    )


RULE = Rule(
    id=RULE_ID,
    level=Level.BASELINE,
    revisions=(Revision(0, check_capabilities_baseline),),
)
