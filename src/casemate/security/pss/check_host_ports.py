"""Rule: no port of the host is taken.

Restricted fields
    spec.containers[*].ports[*].hostPort (init and ephemeral ones too)
Allowed values
    undefined, 0
Level and versions
    baseline; since v1.0
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, listed


def check_host_ports(pod: PodView) -> Broken | None:
    """Name the containers and the ports of the host that they ask for."""
    owners = [container.label for container in pod.containers if any(container.host_ports)]
    if not owners:
        return None
    ports = sorted({port for container in pod.containers for port in container.host_ports if port})
    numbers = listed(str(port) for port in ports)
    return Broken("ports of the host", fix(owners, f"remove ports[*].hostPort {numbers}"))


RULE = Rule(
    id="hostPorts",
    level=Level.BASELINE,
    revisions=(Revision(0, check_host_ports),),
)
