"""Rule: a Pod has its own network, process and IPC namespaces.

Restricted fields
    spec.hostNetwork
    spec.hostPID
    spec.hostIPC
Allowed values
    undefined, false
Level and versions
    baseline; since v1.0
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import listed


def check_host_namespaces(pod: PodView) -> Broken | None:
    """Name each namespace of the host that the Pod would share."""
    shared = {
        "hostNetwork": pod.host_network,
        "hostPID": pod.host_pid,
        "hostIPC": pod.host_ipc,
    }
    fields = [f"spec.{name}" for name, is_shared in shared.items() if is_shared]
    if not fields:
        return None
    return Broken("namespaces of the host", f"pod: set {listed(fields)} to false, or leave out")


RULE = Rule(
    id="hostNamespaces",
    level=Level.BASELINE,
    revisions=(Revision(0, check_host_namespaces),),
)
