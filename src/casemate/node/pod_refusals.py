"""What a Pod template may ask that a sandbox cannot or must not give; pure.

Every field of the template is named in `FIELDS` with who honours it: a field that Kubernetes adds
to our types later fails a test until somebody decides. Reasons are collected, never raised one by
one, and a template that says nothing where Kubernetes' own default is loose is refused as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casemate.api.workload import (
        Container,
        PodSecurityContext,
        PodSpec,
        SeccompProfile,
        SecurityContext,
    )
    from casemate.node.plan_inputs import PlanInputs

_PLANNED, _CHECKED = "becomes a step of the plan", "checked here"
_WORKER = "the pod worker acts on it"
_CLUSTER = "places a Pod among machines; there is one machine"
_NO_TOKEN = "no service account token exists in a sandbox"  # noqa: S105

# Field of the wire type -> who honours it; tests/unit/node/test_sandbox_plan.py compares.
FIELDS: dict[str, dict[str, str]] = {
    "PodSpec": {
        "service_account_name": _NO_TOKEN,
        "automount_service_account_token": _CHECKED,
        "enable_service_links": "there are no Services to link",
        "host_network": _CHECKED,
        "host_pid": _CHECKED,
        "host_ipc": _CHECKED,
        "restart_policy": _CHECKED,
        "termination_grace_period_seconds": _PLANNED,
        "priority_class_name": _CLUSTER,
        "security_context": _CHECKED,
        "topology_spread_constraints": _CLUSTER,
        "init_containers": _CHECKED,
        "containers": _PLANNED,
        "volumes": _PLANNED,
    },
    "PodSecurityContext": {
        "app_armor_profile": _CHECKED,
        "fs_group": _CHECKED,
        "fs_group_change_policy": "every volume is new or read-only, so no owner changes",
        "run_as_group": _PLANNED,
        "run_as_non_root": _CHECKED,
        "run_as_user": _PLANNED,
        "se_linux_change_policy": "no volume is relabelled",
        "se_linux_options": _CHECKED,
        "seccomp_profile": _PLANNED,
        "supplemental_groups": _CHECKED,
        "supplemental_groups_policy": "a sandbox has one group under either policy",
        "sysctls": _CHECKED,
        "windows_options": _CHECKED,
    },
    "Container": {
        "name": "the one container",
        "image": "resolved to the root view before planning",
        "command": _PLANNED,
        "args": _PLANNED,
        "working_dir": _PLANNED,
        "env": _PLANNED,
        "ports": _CHECKED,
        "resources": _PLANNED,
        "security_context": _CHECKED,
        "volume_mounts": _PLANNED,
        "startup_probe": _WORKER,
        "readiness_probe": _WORKER,
        "liveness_probe": _WORKER,
        "termination_message_policy": _WORKER,
    },
    "SecurityContext": {
        "allow_privilege_escalation": _CHECKED,
        "app_armor_profile": _CHECKED,
        "capabilities": _CHECKED,
        "privileged": _CHECKED,
        "proc_mount": _CHECKED,
        "read_only_root_filesystem": _CHECKED,
        "run_as_group": _PLANNED,
        "run_as_non_root": _CHECKED,
        "run_as_user": _PLANNED,
        "se_linux_options": _CHECKED,
        "seccomp_profile": _PLANNED,
        "windows_options": _CHECKED,
    },
}
# Requests arrive on descriptor 3, metrics on 4.
_MOST_PORTS = 2
_LARGEST_ID = 2**31 - 1


def pod_refusals(spec: PodSpec) -> Iterator[str]:
    """Give every reason why this Pod cannot be one sandbox."""
    for name, value in (
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
    ):
        if value:
            yield f"spec.{name}: a sandbox shares no namespace with the host"
    if spec.automount_service_account_token:
        yield "spec.automountServiceAccountToken: " + _NO_TOKEN
    if spec.init_containers:
        yield "spec.initContainers: sources and dependencies are prepared before, in volumes"
    if len(spec.containers) != 1:
        yield f"spec.containers: a sandbox is one container, not {len(spec.containers)}"
    if spec.restart_policy not in {None, "Always"}:
        yield f"spec.restartPolicy: {spec.restart_policy} is not offered, only Always"
    if spec.security_context.sysctls:
        yield "spec.securityContext.sysctls: kernel parameters are the machine's"
    yield from _foreign_refusals(spec.security_context, "spec.securityContext")


def _foreign_refusals(context: PodSecurityContext | SecurityContext, where: str) -> Iterator[str]:
    """Give every reason against options that nothing in a sandbox could apply."""
    if context.se_linux_options is not None:
        yield f"{where}.seLinuxOptions: a sandbox has no label of its own"
    if context.windows_options is not None:
        yield f"{where}.windowsOptions: a sandbox runs Linux programs"
    profile = context.app_armor_profile
    if profile is not None and profile.type != "RuntimeDefault":
        yield f"{where}.appArmorProfile: {profile.type} cannot be applied"


def container_refusals(container: Container, field: str) -> Iterator[str]:
    """Give every reason why this container's security context cannot be honoured."""
    context = container.security_context
    where = f"{field}.securityContext"
    yield from _foreign_refusals(context, where)
    if context.privileged:
        yield f"{where}.privileged: never given"
    if context.allow_privilege_escalation is not False:
        yield f"{where}.allowPrivilegeEscalation: must be false; nothing here can gain rights"
    if context.proc_mount not in {None, "Default"}:
        yield f"{where}.procMount: {context.proc_mount} would uncover the host's kernel"
    if context.read_only_root_filesystem is not True:
        yield f"{where}.readOnlyRootFilesystem: must be true; only emptyDir volumes can be written"
    added = () if context.capabilities is None else context.capabilities.add or ()
    dropped = () if context.capabilities is None else context.capabilities.drop or ()
    if added:
        yield f"{where}.capabilities.add: {', '.join(added)} cannot be given"
    if "ALL" not in dropped:
        yield f"{where}.capabilities.drop: must name ALL; a sandbox has none"
    for port in container.ports:
        if port.protocol != "TCP":
            yield f"{field}.ports: {port.protocol} port {port.name} is not served"
    if len(container.ports) > _MOST_PORTS:
        yield f"{field}.ports: a sandbox listens for requests and for metrics, no more"


def identity_refusals(spec: PodSpec, container: Container) -> Iterator[str]:
    """Give every reason why the ids cannot be those of one ordinary user."""
    uid, gid = run_as(spec, container)
    for name, value in (("runAsUser", uid), ("runAsGroup", gid)):
        if value is None:
            yield f"securityContext.{name}: must be set; an image's own choice may be root"
        elif not 0 < value <= _LARGEST_ID:
            yield f"securityContext.{name}: {value} is not an ordinary id"
    non_root = container.security_context.run_as_non_root
    if (spec.security_context.run_as_non_root if non_root is None else non_root) is False:
        yield "securityContext.runAsNonRoot: must be true"
    pod = spec.security_context
    others = {*(pod.supplemental_groups or ()), *({pod.fs_group} - {None})} - {gid}
    if others:
        # One id is mapped into the user namespace: a second group would need a range of host ids.
        yield (
            "securityContext.supplementalGroups, fsGroup: "
            f"{', '.join(map(str, sorted(map(str, others))))} differ from runAsGroup; "
            "a sandbox has one group"
        )


def run_as(spec: PodSpec, container: Container) -> tuple[int | None, int | None]:
    """Return uid and gid; the container's word wins over the Pod's."""
    own, pod = container.security_context, spec.security_context
    uid = pod.run_as_user if own.run_as_user is None else own.run_as_user
    gid = pod.run_as_group if own.run_as_group is None else own.run_as_group
    return uid, gid


def seccomp_choice(
    spec: PodSpec, container: Container, inputs: PlanInputs
) -> tuple[str | None, tuple[str, ...]]:
    """Return the profile's name (None: unconfined, by policy) and the reasons against it."""
    own = container.security_context.seccomp_profile
    profile: SeccompProfile | None = spec.security_context.seccomp_profile if own is None else own
    where = "securityContext.seccompProfile"
    if profile is None:
        return None, (f"{where}: must be set; Kubernetes' own default is Unconfined",)
    if profile.type == "RuntimeDefault":
        return inputs.default_seccomp_profile, ()
    if profile.type == "Unconfined":
        allowed = inputs.allow_unconfined_seccomp
        return None, () if allowed else (f"{where}: Unconfined needs a policy that allows it",)
    name = profile.localhost_profile or ""
    if name in inputs.allowed_localhost_profiles:
        return name, ()
    return None, (f"{where}: localhost profile {name!r} needs a policy that allows it",)
