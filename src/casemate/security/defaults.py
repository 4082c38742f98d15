"""The hardened values that the Pod of every Function and each of its containers receive.

They are Kyma's, and stricter where its own were not: every container carries them, init containers
too, so that the Pod fits a namespace of level restricted. A manifest changes them through
`casemate.security.contexts` only.

What the Pod's context carries (ids, seccomp profile) is absent from the container's: a container
inherits it, and one place to change it is enough.
"""

from __future__ import annotations

from typing import Final

from casemate.api.workload import Capabilities, PodSecurityContext, SeccompProfile, SecurityContext

# The id that images of Kyma's runtimes are made for; no account of a usual host has to exist.
FUNCTION_UID: Final = 1000
FUNCTION_GID: Final = 1000

HARDENED_POD: Final = PodSecurityContext(
    run_as_user=FUNCTION_UID,
    run_as_group=FUNCTION_GID,
    # Without it an image whose USER is 0 would still be root where a container overrides the uid.
    run_as_non_root=True,
    fs_group=FUNCTION_GID,
    # Named, or the groups that an image lists for the uid in /etc/group would be all there is.
    supplemental_groups=(FUNCTION_GID,),
    # Kubernetes' own default is Unconfined.
    seccomp_profile=SeccompProfile(type="RuntimeDefault"),
)

HARDENED_CONTAINER: Final = SecurityContext(
    # Sets no_new_privs: set-user-ID files and file capabilities give nothing.
    allow_privilege_escalation=False,
    capabilities=Capabilities(drop=("ALL",)),
    privileged=False,
    proc_mount="Default",
    # Only volumes can be written, and each of those has a size limit.
    read_only_root_filesystem=True,
    run_as_non_root=True,
)
