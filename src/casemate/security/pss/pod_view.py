"""What the rules see of a Pod: the restricted fields, typed, and nothing else.

None means that a field is absent; an empty text means that it is present without a value, which
some rules treat differently. The views are built by `read_pod` only, from untrusted JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SELinuxView:
    """securityContext.seLinuxOptions."""

    type: str = ""
    user: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class CapabilitiesView:
    """securityContext.capabilities."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextView:
    """The fields that the contexts of Pod and container share; `owner` names whose it is.

    The two profile types are None without a profile and empty for a profile without a type.
    """

    owner: str
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    seccomp_type: str | None = None
    app_armor_type: str | None = None
    se_linux: SELinuxView | None = None
    host_process: bool | None = None


@dataclass(frozen=True, slots=True)
class ContainerView:
    """An ordinary, init or ephemeral container; `label` names it in details."""

    name: str
    label: str
    context: ContextView
    allow_privilege_escalation: bool | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    capabilities: CapabilitiesView = CapabilitiesView()
    host_ports: tuple[int, ...] = ()
    # Hosts that probes and lifecycle hooks name, as (field of the container, host).
    hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume and the known kinds of source it names: one in a valid Pod, none if it is newer."""

    label: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PodView:
    """A Pod, or the Pod that a template makes."""

    context: ContextView
    containers: tuple[ContainerView, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[VolumeView, ...] = ()
    sysctls: tuple[str, ...] = ()
    os_name: str = ""
    host_users: bool | None = None
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False

    @property
    def is_windows(self) -> bool:
        """Tell whether the Pod says that it needs Windows, where Linux fields mean nothing."""
        return self.os_name == "windows"

    @property
    def has_own_users(self) -> bool:
        """Tell whether the Pod has a user namespace, so that its root is nobody outside."""
        return self.host_users is False

    @property
    def contexts(self) -> tuple[ContextView, ...]:
        """The context of the Pod, then that of each container."""
        return (self.context, *(container.context for container in self.containers))
