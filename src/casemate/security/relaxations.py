"""Decides which loosenings are let through: none, unless an administrator said so by name.

`deny` refuses them all, `warn` lets them through and reports them (Kyma's behaviour, for those who
move over), and a FunctionPolicy allows named fields in named namespaces. Some fields stay as they
are whatever a policy says, because what runs the Pod could not honour them: refusing early names
the field, where a start that fails would not. Whatever is let through is named in the condition
`SecurityRelaxed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from casemate.api.function_policy import FunctionPolicySpec, selects
from casemate.api.workload import PodSecurityContext, SecurityContext
from casemate.security.contexts import Loosening, field_path, loosen, tighten
from casemate.security.defaults import HARDENED_CONTAINER, HARDENED_POD
from casemate.security.verdict import Verdict, Violation, verdict_of

LOOSENED: Final = "securityLoosened"
NEVER_REASON: Final = "and no policy can allow it: what runs the Pod would not start it"

# Runtimes are Linux programs, so Windows options have no meaning on either engine.
NEVER_ON_KUBERNETES: Final = frozenset({
    field_path(SecurityContext, "windows_options"),
    field_path(PodSecurityContext, "windows_options"),
})  # fmt: skip
# A local sandbox has one ordinary user in a user namespace, no capabilities, no_new_privs, a
# read-only root, and neither AppArmor, SELinux nor kernel parameters of its own. That leaves the
# seccomp profile, which the node's own settings must allow as well.
NEVER_ON_LOCAL_NODE: Final = NEVER_ON_KUBERNETES | {
    *(
        field_path(SecurityContext, name)
        for name in (
            "allow_privilege_escalation",
            "app_armor_profile",
            "capabilities",
            "privileged",
            "proc_mount",
            "read_only_root_filesystem",
            "run_as_group",
            "run_as_non_root",
            "run_as_user",
            "se_linux_options",
        )
    ),
    *(
        field_path(PodSecurityContext, name)
        for name in (
            "app_armor_profile",
            "fs_group",
            "run_as_group",
            "run_as_non_root",
            "run_as_user",
            "se_linux_options",
            "supplemental_groups",
            "sysctls",
        )
    ),
}


@dataclass(frozen=True, slots=True)
class RelaxationPolicy:
    """What one Function may loosen. Its defaults allow nothing."""

    allow_every_relaxation: bool = False
    allowed_fields: frozenset[str] = frozenset()
    never: frozenset[str] = NEVER_ON_LOCAL_NODE

    def allows(self, field: str) -> bool:
        """Tell whether this field may be loosened."""
        if field in self.never:
            return False
        return self.allow_every_relaxation or field in self.allowed_fields


class Relaxations(NamedTuple):
    """Loosenings by what becomes of them."""

    refused: tuple[Loosening, ...]
    let_through: tuple[Loosening, ...]

    @property
    def relaxed_fields(self) -> tuple[str, ...]:
        """Name the fields that condition `SecurityRelaxed` shows; empty: there is no condition."""
        return tuple(sorted({one.field_path for one in self.let_through}))


class Settled(NamedTuple):
    """The contexts to render, and how they came about."""

    pod: PodSecurityContext
    container: SecurityContext
    relaxations: Relaxations
    verdict: Verdict


def relaxation_policy(
    mode: Literal["deny", "warn"],
    policies: Iterable[FunctionPolicySpec],
    *,
    function: str,
    namespace: str,
    namespace_labels: Mapping[str, str],
) -> RelaxationPolicy:
    """Collect what the installation and every policy that speaks about this Function allow."""
    allowed = {
        field
        for policy in policies
        if selects(policy.namespaces, namespace, dict(namespace_labels))
        for relaxation in policy.relaxations
        if relaxation.functions is None or function in relaxation.functions
        for field in relaxation.fields
    }
    return RelaxationPolicy(
        allow_every_relaxation=mode == "warn", allowed_fields=frozenset(allowed)
    )


def decide_relaxations(loosened: Iterable[Loosening], policy: RelaxationPolicy) -> Relaxations:
    """Part loosenings into those refused and those let through."""
    asked = tuple(loosened)
    return Relaxations(
        refused=tuple(one for one in asked if not policy.allows(one.field_path)),
        let_through=tuple(one for one in asked if policy.allows(one.field_path)),
    )


def refusals(relaxations: Relaxations, policy: RelaxationPolicy) -> tuple[Violation, ...]:
    """Word the refused ones, each with its field, the reason and what would be allowed."""
    return tuple(
        Violation(
            LOOSENED,
            f"{one.field_path} is looser than the default",
            f"{one.reason}{', ' + NEVER_REASON if one.field_path in policy.never else ''}",
        )
        for one in relaxations.refused
    )


def settle_contexts(
    pod: PodSecurityContext | None, container: SecurityContext | None, policy: RelaxationPolicy
) -> Settled:
    """Harden both contexts, tighten them as asked, and loosen what the policy lets through.

    When the verdict refuses, the contexts are the strict ones: nothing half-loosened gets out.
    """
    tight_pod = tighten(HARDENED_POD, pod)
    tight_container = tighten(HARDENED_CONTAINER, container)
    relaxations = decide_relaxations((*tight_pod.loosened, *tight_container.loosened), policy)
    verdict = verdict_of(refusals(relaxations, policy))
    granted = relaxations.let_through if verdict.allowed else ()
    return Settled(
        loosen(tight_pod.value, granted),
        loosen(tight_container.value, granted),
        relaxations,
        verdict,
    )
