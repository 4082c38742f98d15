"""Rule: the kubelet is not sent to other hosts by a probe or a lifecycle hook.

Restricted fields, each under spec.containers[*] (init and ephemeral ones too)
    livenessProbe.httpGet.host, livenessProbe.tcpSocket.host
    readinessProbe.httpGet.host, readinessProbe.tcpSocket.host
    startupProbe.httpGet.host, startupProbe.tcpSocket.host
    lifecycle.postStart.httpGet.host, lifecycle.postStart.tcpSocket.host
    lifecycle.preStop.httpGet.host, lifecycle.preStop.tcpSocket.host
Allowed values
    undefined, empty
Level and versions
    baseline; since v1.34
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, listed, quoted_set


def check_host_probes(pod: PodView) -> Broken | None:
    """Name the containers, the fields and the hosts they point to."""
    owners = [container.label for container in pod.containers if container.hosts]
    if not owners:
        return None
    named = [found for container in pod.containers for found in container.hosts]
    fields = listed(sorted({field_path for field_path, _ in named}))
    hosts = quoted_set(host for _, host in named)
    return Broken(
        "probe or lifecycle hook to a named host",
        fix(owners, f"remove {fields} (found {hosts}): the Pod itself is the default"),
    )


RULE = Rule(
    id="hostProbesAndHostLifecycle",
    level=Level.BASELINE,
    revisions=(Revision(34, check_host_probes),),
)
