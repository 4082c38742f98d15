"""The security contexts of a Function's Pod and container, and which fields a policy relaxed.

Provisional: replaced as soon as casemate.security.contexts.tighten is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from casemate.api.workload import Capabilities, PodSecurityContext, SeccompProfile, SecurityContext
from casemate.render.errors import Unrenderable

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.render.policy import RenderPolicy


class Hardened(NamedTuple):
    """Both contexts, and the names of the fields that are looser than the defaults."""

    pod: PodSecurityContext
    container: SecurityContext
    relaxed_fields: tuple[str, ...]


def harden(function: Function, policy: RenderPolicy) -> Hardened:
    """Merge what the manifest asks with the hardened defaults. Raises Unrenderable if looser."""
    spec = function.spec
    del policy
    if spec.container_security_context or spec.pod_security_context:
        raise Unrenderable("security contexts are not merged yet")
    return Hardened(
        PodSecurityContext(
            fs_group=1000,
            run_as_group=1000,
            run_as_non_root=True,
            run_as_user=1000,
            seccomp_profile=SeccompProfile(type="RuntimeDefault"),
            supplemental_groups=(1000,),
        ),
        SecurityContext(
            allow_privilege_escalation=False,
            capabilities=Capabilities(drop=("ALL",)),
            privileged=False,
            proc_mount="Default",
            read_only_root_filesystem=True,
            run_as_non_root=True,
        ),
        (),
    )
