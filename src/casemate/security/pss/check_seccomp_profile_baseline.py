"""Rule: the system call filter may be chosen, never switched off.

Restricted fields, v1.0 to v1.18
    metadata.annotations["seccomp.security.alpha.kubernetes.io/pod"]
    metadata.annotations["container.seccomp.security.alpha.kubernetes.io/<container>"]
Allowed values
    undefined, runtime/default, docker/default, localhost/*
Restricted fields, since v1.19
    spec.securityContext.seccompProfile.type
    spec.containers[*].securityContext.seccompProfile.type (init and ephemeral ones too)
Allowed values
    undefined, RuntimeDefault, Localhost
Level and versions
    baseline; since v1.0; at level restricted replaced by seccompProfile_restricted from v1.19 on
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, listed, quoted

RULE_ID = "seccompProfile_baseline"
POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
ALLOWED_TYPES = frozenset({"RuntimeDefault", "Localhost"})
REASON = "seccomp profile not allowed"


def _annotation_value_is_allowed(value: str) -> bool:
    return value in {"runtime/default", "docker/default"} or value.startswith("localhost/")


def check_annotations(pod: PodView) -> Broken | None:
    """Look at the Pod's annotation and at those that name one of its containers."""
    keys = {POD_ANNOTATION}
    keys |= {CONTAINER_ANNOTATION_PREFIX + container.name for container in pod.containers}
    bad_keys = sorted(
        quoted(key)
        for key in keys & pod.annotations.keys()
        if not _annotation_value_is_allowed(pod.annotations[key])
    )
    if not bad_keys:
        return None
    return Broken(REASON, f"set to runtime/default, or remove: annotation {listed(bad_keys)}")


def explicitly_bad(pod: PodView) -> list[str]:
    """List who sets a profile whose type is not allowed."""
    return [
        context.owner
        for context in pod.contexts
        if context.seccomp_type is not None and context.seccomp_type not in ALLOWED_TYPES
    ]


def check_fields(pod: PodView) -> Broken | None:
    """Look at the fields of Pod and containers; nothing needs to be set."""
    owners = explicitly_bad(pod)
    if not owners:
        return None
    wanted = 'set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Broken(REASON, fix(owners, f"{wanted}, or leave the profile out"))


RULE = Rule(
    id=RULE_ID,
    level=Level.BASELINE,
    revisions=(Revision(0, check_annotations), Revision(19, check_fields)),
)
