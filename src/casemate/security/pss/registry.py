"""Which rules there are, and which of them a level and version ask for.

The list is written out: a rule exists because it stands here, not because its module happened to
be imported. A test fails when a `check_` file is not on it.
"""

from __future__ import annotations

from functools import cache

from casemate.security.pss import (
    check_allow_privilege_escalation,
    check_app_armor_profile,
    check_capabilities_baseline,
    check_capabilities_restricted,
    check_host_namespaces,
    check_host_path_volumes,
    check_host_ports,
    check_host_probes,
    check_privileged,
    check_proc_mount_baseline,
    check_proc_mount_restricted,
    check_restricted_volumes,
    check_run_as_non_root,
    check_run_as_user,
    check_se_linux_options,
    check_seccomp_profile_baseline,
    check_seccomp_profile_restricted,
    check_sysctls,
    check_windows_host_process,
)
from casemate.security.pss.levels import Level, PolicyVersion
from casemate.security.pss.rule import ActiveCheck, Rule

# In the order in which broken ones are told: baseline first, then restricted, by id.
RULES: tuple[Rule, ...] = (
    check_app_armor_profile.RULE,
    check_capabilities_baseline.RULE,
    check_host_namespaces.RULE,
    check_host_path_volumes.RULE,
    check_host_ports.RULE,
    check_host_probes.RULE,
    check_privileged.RULE,
    check_proc_mount_baseline.RULE,
    check_se_linux_options.RULE,
    check_seccomp_profile_baseline.RULE,
    check_sysctls.RULE,
    check_windows_host_process.RULE,
    check_allow_privilege_escalation.RULE,
    check_capabilities_restricted.RULE,
    check_proc_mount_restricted.RULE,
    check_restricted_volumes.RULE,
    check_run_as_non_root.RULE,
    check_run_as_user.RULE,
    check_seccomp_profile_restricted.RULE,
)


@cache
def checks_for(level: Level, version: PolicyVersion) -> tuple[ActiveCheck, ...]:
    """Choose the checks of a level as of a version; none for privileged.

    Restricted contains baseline, less the rules that a stricter revision replaces.
    """
    if level is Level.PRIVILEGED:
        return ()
    chosen = [
        (rule.id, revision)
        for rule in RULES
        if level is Level.RESTRICTED or rule.level is Level.BASELINE
        if (revision := rule.revision(version)) is not None
    ]
    replaced = frozenset().union(*(revision.replaces for _, revision in chosen))
    return tuple(
        ActiveCheck(rule_id, revision.check)
        for rule_id, revision in chosen
        if rule_id not in replaced
    )
