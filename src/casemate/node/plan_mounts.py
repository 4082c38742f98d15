"""The mount table of a sandbox: root view, volumes, /proc, /dev and scratch, in order; pure.

The root is a memory file system that exists only while the sandbox is built and is sealed last.
Nothing of the host appears that the root view or a volume does not name; what Kubernetes' container
runtimes cover in /proc is covered here too.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from casemate.api.quantity import size_bytes
from casemate.node.plan_inputs import FilesVolume
from casemate.node.sandbox_steps import (
    BindReadOnly,
    Device,
    HostPath,
    MakeLink,
    MaskDirectory,
    MaskFile,
    Proc,
    SealTree,
    Tmpfs,
    WriteFile,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casemate.api.workload import PodSpec, Volume, VolumeMount
    from casemate.node.plan_inputs import PlanInputs
    from casemate.node.root_view import RootView
    from casemate.node.sandbox_steps import MountStep

DEVICES = ("null", "zero", "full", "random", "urandom")
# containerd's list, and what else tells about the host's kernel rather than about the sandbox.
MASKED_FILES = (
    "cmdline", "config.gz", "interrupts", "kallsyms", "kcore", "key-users", "keys", "kmsg",
    "latency_stats", "modules", "sched_debug", "sysrq-trigger", "timer_list", "timer_stats",
)  # fmt: skip
MASKED_DIRECTORIES = ("acpi", "asound", "scsi")
# /dev holds five nodes and a few links.
_DEV_BYTES = 65536
_SCRATCH_MODE = 0o1777
_SCRATCH = "/tmp"  # noqa: S108  # a path inside the sandbox
_OWN_TREES = ("/proc", "/dev", "/sys")


def root_steps(root: RootView) -> Iterator[MountStep]:
    """Lay out what exists before the Function's own volumes."""
    for mount in sorted(root.mounts, key=lambda one: one.target):
        yield BindReadOnly(HostPath(mount.source), mount.target)
    for link in root.symlinks:
        yield MakeLink(link.target, link.link_path)
    for file in root.files:
        yield WriteFile(file.path, file.content.encode(), file.mode)


def kernel_steps(proc_entries: frozenset[str], *, has_scratch: bool) -> Iterator[MountStep]:
    """Mount the sandbox's own /proc and a /dev without terminals."""
    yield Proc()
    for name in MASKED_FILES:
        if name in proc_entries:
            yield MaskFile(f"/proc/{name}")
    for name in MASKED_DIRECTORIES:
        if name in proc_entries:
            yield MaskDirectory(f"/proc/{name}")
    yield Tmpfs("/dev", _DEV_BYTES, 0o755, writable=True)
    for name in DEVICES:
        yield Device(f"/dev/{name}")
    yield MakeLink("/proc/self/fd", "/dev/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        yield MakeLink(f"/proc/self/fd/{number}", f"/dev/{name}")
    if has_scratch:
        # POSIX semaphores live in /dev/shm; /tmp, with its size, stays the only writable place.
        yield MakeLink("../tmp", "/dev/shm")  # noqa: S108
    yield SealTree("/dev")


class VolumePlan:
    """Collects the steps of the volumes, and every reason against one."""

    def __init__(self, spec: PodSpec, inputs: PlanInputs) -> None:
        self._volumes = {volume.name: volume for volume in spec.volumes}
        self._inputs = inputs
        self._closed = [mount.target for mount in inputs.root.mounts]
        self._targets: set[str] = {link.link_path for link in inputs.root.symlinks}
        self.steps: list[MountStep] = []
        self.reasons: list[str] = []
        self.scratch_bytes: dict[str, int] = {}

    def add_all(self, mounts: tuple[VolumeMount, ...]) -> None:
        """Plan the mounts, outer ones first, so that an inner one is not covered."""
        for mount in sorted(mounts, key=lambda one: len(PurePosixPath(one.mount_path).parts)):
            reason = self._target_refusal(mount)
            volume = self._volumes.get(mount.name)
            if volume is None:
                reason = "no such volume"
            if reason or volume is None:
                self.reasons.append(f"volumeMounts {mount.name} at {mount.mount_path}: {reason}")
                continue
            self._targets.add(mount.mount_path)
            self._add(volume, mount)

    def _target_refusal(self, mount: VolumeMount) -> str:
        path = PurePosixPath(mount.mount_path)
        if not path.is_absolute() or str(path) != mount.mount_path or ".." in path.parts:
            return "mount path must be absolute and plain"
        if len(path.parts) == 1 or any(path.is_relative_to(tree) for tree in _OWN_TREES):
            return "mount path belongs to the sandbox itself"
        if mount.mount_path in self._targets:
            return "mount path is used twice"
        inside = next((one for one in self._closed if path.is_relative_to(one)), None)
        if inside is not None:
            return f"mount path lies in {inside}, which is read-only"
        sub_path = PurePosixPath(mount.sub_path or "")
        if sub_path.is_absolute() or ".." in sub_path.parts:
            return "subPath must stay inside its volume"
        return ""

    def _add(self, volume: Volume, mount: VolumeMount) -> None:
        if volume.empty_dir is not None:
            self._add_scratch(volume, mount)
            return
        content = self._inputs.volumes.get(volume.name)
        match content:
            case HostPath():
                below = "/".join(part for part in (content.sub_path, mount.sub_path) if part)
                source = HostPath(content.path, below)
                self.steps.append(BindReadOnly(source, mount.mount_path))
                self._closed.append(mount.mount_path)
            case FilesVolume():
                self._add_files(content, mount)
            case _:
                optional = volume.secret is not None and volume.secret.optional
                if not optional:
                    self.reasons.append(f"volume {volume.name}: its content was not found")

    def _add_scratch(self, volume: Volume, mount: VolumeMount) -> None:
        limit = volume.empty_dir.size_limit if volume.empty_dir is not None else None
        try:
            size = size_bytes(limit or "")
        except ValueError:
            self.reasons.append(f"volume {volume.name}: emptyDir.sizeLimit must be set")
            return
        if mount.sub_path:
            self.reasons.append(f"volume {volume.name}: subPath of an emptyDir is not offered")
            return
        writable = not mount.read_only
        self.steps.append(Tmpfs(mount.mount_path, size, _SCRATCH_MODE, writable=writable))
        self.scratch_bytes[mount.mount_path] = size

    def _add_files(self, content: FilesVolume, mount: VolumeMount) -> None:
        for file in content.files:
            parts = PurePosixPath(file.path).parts
            if not parts or parts[0] == "/" or ".." in parts:
                self.reasons.append(f"volume {mount.name}: file name {file.path!r} leaves it")
            elif not mount.sub_path:
                target = f"{mount.mount_path}/{file.path}"
                self.steps.append(WriteFile(target, file.content, file.mode))
            elif file.path == mount.sub_path:
                self.steps.append(WriteFile(mount.mount_path, file.content, file.mode))

    @property
    def has_tmp(self) -> bool:
        """Whether /tmp is scratch space."""
        return _SCRATCH in self.scratch_bytes
