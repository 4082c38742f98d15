"""The security contexts of a Function's Pod and container, and which fields a policy relaxed.

What is stricter and what may be loosened is decided in `casemate.security`; here a refusal becomes
an error, because a Pod that differs from its manifest must not be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from casemate.render.errors import Unrenderable
from casemate.security.relaxations import RelaxationPolicy, settle_contexts

if TYPE_CHECKING:
    from casemate.api.function import Function
    from casemate.api.workload import PodSecurityContext, SecurityContext
    from casemate.render.policy import RenderPolicy


class Hardened(NamedTuple):
    """Both contexts, and the names of the fields that are looser than the defaults."""

    pod: PodSecurityContext
    container: SecurityContext
    relaxed_fields: tuple[str, ...]


def harden(function: Function, policy: RenderPolicy) -> Hardened:
    """Merge what the manifest asks with the hardened defaults; the stricter side stands.

    Raises Unrenderable when the manifest loosens a field that the policy does not let through.
    """
    settled = settle_contexts(
        function.spec.pod_security_context,
        function.spec.container_security_context,
        RelaxationPolicy(
            allow_every_relaxation=policy.allow_every_relaxation,
            allowed_fields=policy.allowed_relaxations,
            never=policy.never_relaxed,
        ),
    )
    if not settled.verdict.allowed:
        raise Unrenderable(
            f"the manifest loosens the security model: {settled.verdict.detail}",
            hint="leave the field out; an administrator can allow it with a FunctionPolicy",
        )
    return Hardened(settled.pod, settled.container, settled.relaxations.relaxed_fields)
