"""What a machine can bound, and what each missing bound means for a Function; pure.

The launcher finds out which cgroup controllers bind and whether it may change users; here that
becomes gaps: the consequence in plain words, and the remedy for this kind of machine. A gap is
never silent: it becomes the condition EnforcementDegraded, and `strict` refuses to start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.node.sandbox_steps import EnforcementGap, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

_DELEGATE = (
    "start it where systemd delegates: systemd-run --user --scope -p Delegate=yes casemate run ..."
)
_AS_ROOT = "run as root, or as a systemd service with User= and Delegate=yes"
_CONTROLLER = {Resource.CPU: "cpu", Resource.MEMORY: "memory", Resource.PROCESSES: "pids"}
_CONSEQUENCE = {
    Resource.CPU: "no CPU limit; a busy Function competes with its neighbours as any process does",
    Resource.MEMORY: "memory is measured every 0.1 s and the Function killed above its limit; "
    "a process is stopped at once only 1.5 GiB above it",
    Resource.PROCESSES: "processes are counted by RLIMIT_NPROC of the sandbox's user namespace",
}


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What the launcher found on this machine."""

    bounded: frozenset[Resource]
    """Resources that a cgroup bounds."""
    separate_users: bool
    """Whether each Function may have a user of its own on the host."""
    cgroup_versions: tuple[str, ...] = ()
    refusals: Mapping[str, str] | None = None
    """Why a hierarchy could not be used, by its mount point."""

    def gaps(self) -> tuple[EnforcementGap, ...]:
        """Return everything that is weaker here than promised."""
        return tuple(self._missing_bounds()) + tuple(self._shared_user())

    def _missing_bounds(self) -> list[EnforcementGap]:
        remedy = _DELEGATE if "v2" in self.cgroup_versions or not self.separate_users else _AS_ROOT
        return [
            EnforcementGap(resource, consequence, remedy)
            for resource, consequence in _CONSEQUENCE.items()
            if resource not in self.bounded
        ]

    def _shared_user(self) -> list[EnforcementGap]:
        if self.separate_users:
            return []
        consequence = (
            "every sandbox runs as the user who started casemate: namespaces and the system call "
            "list still separate them, a different user would be one more wall"
        )
        return [EnforcementGap(Resource.IDENTITY, consequence, _AS_ROOT)]


def bounded_resources(controllers: frozenset[str]) -> frozenset[Resource]:
    """Translate cgroup controllers into what they bound."""
    return frozenset(one for one, name in _CONTROLLER.items() if name in controllers)
