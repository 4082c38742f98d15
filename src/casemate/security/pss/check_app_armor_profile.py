"""Rule: the node's default AppArmor profile may be replaced by a loaded one, never switched off.

Restricted fields
    spec.securityContext.appArmorProfile.type
    spec.containers[*].securityContext.appArmorProfile.type (init and ephemeral ones too)
Allowed values
    undefined, RuntimeDefault, Localhost
Restricted fields, older notation
    metadata.annotations["container.apparmor.security.beta.kubernetes.io/*"]
Allowed values
    undefined, empty, runtime/default, localhost/*
Level and versions
    baseline; since v1.0, both notations in every version
"""

from __future__ import annotations

from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, listed, quoted

ANNOTATION_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
ALLOWED_TYPES = frozenset({"RuntimeDefault", "Localhost"})


def _annotation_value_is_allowed(value: str) -> bool:
    return value in {"", "runtime/default"} or value.startswith("localhost/")


def check_app_armor_profile(pod: PodView) -> Broken | None:
    """Look at the fields of Pod and containers, and at every annotation of the older notation."""
    setters = [
        context.owner
        for context in pod.contexts
        if context.app_armor_type is not None and context.app_armor_type not in ALLOWED_TYPES
    ]
    annotations = sorted(
        quoted(key)
        for key, value in pod.annotations.items()
        if key.startswith(ANNOTATION_PREFIX) and not _annotation_value_is_allowed(value)
    )
    details = []
    if setters:
        wanted = 'set securityContext.appArmorProfile.type to "RuntimeDefault" or "Localhost"'
        details.append(fix(setters, f"{wanted}, or leave the profile out"))
    if annotations:
        details.append(f"set to runtime/default, or remove: annotation {listed(annotations)}")
    return Broken("AppArmor profile not allowed", "; ".join(details)) if details else None


RULE = Rule(
    id="appArmorProfile",
    level=Level.BASELINE,
    revisions=(Revision(0, check_app_armor_profile),),
)
