"""Rule: of the SELinux label only the type may change, and only among those for containers.

Restricted fields
    spec.securityContext.seLinuxOptions.type
    spec.containers[*].securityContext.seLinuxOptions.type (init and ephemeral ones too)
Allowed values
    undefined, empty, container_t, container_init_t, container_kvm_t; since v1.31 also
    container_engine_t
Restricted fields
    spec.securityContext.seLinuxOptions.user and .role
    spec.containers[*].securityContext.seLinuxOptions.user and .role (init and ephemeral ones too)
Allowed values
    undefined, empty
Level and versions
    baseline; since v1.0
"""

from __future__ import annotations

from functools import partial

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, quoted_set

TYPES_SINCE_0 = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
TYPES_SINCE_31 = TYPES_SINCE_0 | {"container_engine_t"}


def check_se_linux_options(pod: PodView, *, allowed_types: frozenset[str]) -> Broken | None:
    """Name who sets a forbidden part of the label, and which part."""
    labels = [
        (context.owner, context.se_linux)
        for context in pod.contexts
        if context.se_linux is not None
    ]
    bad_types = {label.type for _, label in labels} - allowed_types
    owners = [
        owner
        for owner, label in labels
        if label.type not in allowed_types or label.user or label.role
    ]
    if not owners:
        return None
    parts = []
    if bad_types:
        parts.append(f"seLinuxOptions.type (found {quoted_set(bad_types)})")
    parts += [
        f"seLinuxOptions.{part}"
        for part in ("user", "role")
        if any(getattr(label, part) for _, label in labels)
    ]
    wanted = ", ".join(f"securityContext.{part}" for part in parts)
    return Broken("SELinux options not allowed", fix(owners, f"leave out {wanted}"))


RULE = Rule(
    id="seLinuxOptions",
    level=Level.BASELINE,
    revisions=(
        Revision(0, partial(check_se_linux_options, allowed_types=TYPES_SINCE_0)),
        Revision(31, partial(check_se_linux_options, allowed_types=TYPES_SINCE_31)),
    ),
)
