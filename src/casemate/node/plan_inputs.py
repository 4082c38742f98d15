"""What a plan needs beside the template: facts that the node looked up before; values only.

The planner is pure, so everything that must be read from the machine, a Secret or a policy comes in
here by name. A field that loosens something is named after the loosening and is off by default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casemate.node.limits import Ceilings
from casemate.node.sandbox_steps import HostPath

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casemate.node.enforcement import Enforcement
    from casemate.node.root_view import RootView


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """One file of a Secret or ConfigMap volume; `path` is relative to the mount."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o440


@dataclass(frozen=True, slots=True)
class FilesVolume:
    """A volume whose files exist only in memory."""

    files: tuple[VolumeFile, ...]


VolumeContent = FilesVolume | HostPath


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """Everything that the node resolved for one instance."""

    function: str
    """`namespace/name`."""
    root: RootView
    executable: str
    """Path inside the sandbox; stands for a command that is only a program's name."""
    enforcement: Enforcement
    volumes: Mapping[str, VolumeContent] = field(default_factory=dict)
    """Content of every volume but emptyDir, by the volume's name."""
    resolved_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values of the variables that have `valueFrom`; an absent one must be optional."""
    default_command: tuple[str, ...] = ()
    """What the image starts when the template names no command."""
    host_uid: int | None = None
    host_gid: int | None = None
    proc_entries: frozenset[str] = frozenset()
    """Names in the host's /proc: only what exists can be covered."""
    ceilings: Ceilings = field(default_factory=Ceilings)
    strict: bool = False
    """Refuse to plan where this machine cannot enforce everything."""
    default_seccomp_profile: str = "casemate/default"
    allowed_localhost_profiles: frozenset[str] = frozenset()
    allow_unconfined_seccomp: bool = False
