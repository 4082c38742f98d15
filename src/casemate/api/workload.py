"""The Kubernetes kinds that we render, field by field as the API names them.

Only fields that the renderer can emit exist here: an unknown field is an error, so that nothing
that the node would silently ignore can be written. Frozen: a rendered object never changes.
Source of names and meanings: Kubernetes API v1.36, core/v1 and apps/v1.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """A frozen model whose JSON names are camelCase and whose unknown fields are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        # pydantic would print what it was given, and that may be a secret or the user's source
        hide_input_in_errors=True,
    )

    def wire(self) -> dict[str, Any]:
        """Return the JSON shape: camelCase, without fields that are None or unset defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Capabilities(WireModel):
    """Capabilities to drop and to add, by Kubernetes name (no `CAP_`)."""

    add: tuple[str, ...] | None = None
    drop: tuple[str, ...] | None = None


class SeccompProfile(WireModel):
    """Which system calls the container may make."""

    type: Literal["RuntimeDefault", "Localhost", "Unconfined"]
    localhost_profile: str | None = None


class AppArmorProfile(WireModel):
    """Which AppArmor profile confines the container."""

    type: Literal["RuntimeDefault", "Localhost", "Unconfined"]
    localhost_profile: str | None = None


class SELinuxOptions(WireModel):
    """The SELinux label of the container."""

    level: str | None = None
    role: str | None = None
    type: str | None = None
    user: str | None = None


class WindowsOptions(WireModel):
    """What only Windows containers understand; a manifest may carry it, nothing here runs it."""

    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class Sysctl(WireModel):
    """A kernel parameter of the Pod."""

    name: str
    value: str


class SecurityContext(WireModel):
    """core/v1 SecurityContext, the container's."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsOptions | None = None


class PodSecurityContext(WireModel):
    """core/v1 PodSecurityContext."""

    app_armor_profile: AppArmorProfile | None = None
    fs_group: int | None = None
    fs_group_change_policy: str | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_change_policy: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: tuple[int, ...] | None = None
    supplemental_groups_policy: str | None = None
    sysctls: tuple[Sysctl, ...] | None = None
    windows_options: WindowsOptions | None = None


class KeySelector(WireModel):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: str
    key: str
    optional: bool | None = None


class FieldSelector(WireModel):
    """One field of the Pod itself."""

    field_path: str
    api_version: str | None = None


class EnvVarSource(WireModel):
    """Where a value comes from; exactly one is set."""

    secret_key_ref: KeySelector | None = None
    config_map_key_ref: KeySelector | None = None
    field_ref: FieldSelector | None = None


class EnvVar(WireModel):
    """One environment variable."""

    name: str
    value: str | None = None
    value_from: EnvVarSource | None = None


class Resources(WireModel):
    """Requests and limits, as quantities in Kubernetes' notation."""

    requests: dict[str, str] = Field(default_factory=dict)
    limits: dict[str, str] = Field(default_factory=dict)


class VolumeMount(WireModel):
    """Where a volume of the Pod appears in the container."""

    name: str
    mount_path: str
    read_only: bool | None = None
    sub_path: str | None = None


class HttpGetAction(WireModel):
    """An HTTP probe."""

    path: str
    port: int | str


class Probe(WireModel):
    """core/v1 Probe; times in seconds."""

    http_get: HttpGetAction
    initial_delay_seconds: int | None = None
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3


class ContainerPort(WireModel):
    """A port that the container listens on."""

    name: str
    container_port: int
    protocol: str = "TCP"


class Container(WireModel):
    """core/v1 Container."""

    name: str
    image: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    resources: Resources = Resources()
    security_context: SecurityContext = SecurityContext()
    volume_mounts: tuple[VolumeMount, ...] = ()
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    termination_message_policy: str | None = None


class KeyToPath(WireModel):
    """A key of a Secret or ConfigMap, written to a file of this name."""

    key: str
    path: str
    mode: int | None = None


class SecretVolume(WireModel):
    """A Secret as files."""

    secret_name: str
    default_mode: int | None = None
    items: tuple[KeyToPath, ...] | None = None
    optional: bool | None = None


class EmptyDirVolume(WireModel):
    """Scratch space that dies with the Pod."""

    size_limit: str | None = None
    medium: str | None = None


class ImageVolume(WireModel):
    """A read-only OCI artifact, by digest."""

    reference: str
    pull_policy: str | None = None


class Volume(WireModel):
    """core/v1 Volume; exactly one source is set."""

    name: str
    secret: SecretVolume | None = None
    empty_dir: EmptyDirVolume | None = None
    image: ImageVolume | None = None


class PodSpec(WireModel):
    """core/v1 PodSpec."""

    service_account_name: str | None = None
    automount_service_account_token: bool | None = None
    enable_service_links: bool | None = None
    host_network: bool | None = None
    host_pid: bool | None = Field(default=None, alias="hostPID")
    host_ipc: bool | None = Field(default=None, alias="hostIPC")
    restart_policy: str | None = None
    termination_grace_period_seconds: int | None = None
    priority_class_name: str | None = None
    security_context: PodSecurityContext = PodSecurityContext()
    topology_spread_constraints: tuple[dict[str, Any], ...] | None = None
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...] = ()


class TemplateMeta(WireModel):
    """Metadata of a Pod template."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class PodTemplate(WireModel):
    """core/v1 PodTemplateSpec: the contract that both engines run."""

    metadata: TemplateMeta = TemplateMeta()
    spec: PodSpec
