"""Rule: only kernel parameters that are the Pod's own may be set.

Restricted fields
    spec.securityContext.sysctls[*].name
Allowed values
    v1.0   kernel.shm_rmid_forced, and under net.ipv4: ip_local_port_range, tcp_syncookies,
           ping_group_range, ip_unprivileged_port_start
    v1.27  also ip_local_reserved_ports
    v1.29  also tcp_keepalive_time, tcp_fin_timeout, tcp_keepalive_intvl, tcp_keepalive_probes
    v1.32  also tcp_rmem, tcp_wmem
    v1.37  also tcp_slow_start_after_idle, tcp_notsent_lowat
Level and versions
    baseline; since v1.0
"""

from __future__ import annotations

from functools import partial

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import quoted_set

# What came with each minor version. Compared as written: a name with slashes is refused too.
ADDED: dict[int, frozenset[str]] = {
    0: frozenset({
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    }),
    27: frozenset({"net.ipv4.ip_local_reserved_ports"}),
    29: frozenset({
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    }),
    32: frozenset({"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}),
    37: frozenset({"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"}),
}  # fmt: skip


def check_sysctls(pod: PodView, *, allowed: frozenset[str]) -> Broken | None:
    """Name each parameter that is not on the version's list."""
    refused = set(pod.sysctls) - allowed
    if not refused:
        return None
    return Broken(
        "sysctls not allowed",
        f"pod: remove {quoted_set(refused)} from securityContext.sysctls",
    )


def _allowed_since(minor: int) -> frozenset[str]:
    return frozenset().union(*(names for since, names in ADDED.items() if since <= minor))


RULE = Rule(
    id="sysctls",
    level=Level.BASELINE,
    revisions=tuple(
        Revision(minor, partial(check_sysctls, allowed=_allowed_since(minor))) for minor in ADDED
    ),
)
