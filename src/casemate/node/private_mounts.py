"""Shows chosen host paths to an unprivileged sandbox builder without opening up their parents.

bubblewrap resolves every source's real path with the rights of the user it runs as, also for
`--ro-bind-fd`. What lies below a 0700 directory (root's home, a Function's source) would have to be
made searchable for everybody. Instead root makes a mount namespace that only the coming sandbox
sees, covers one directory there with memory, and binds the opened sources below it.
Standard library only; must run in a single-threaded process.
"""

from __future__ import annotations

import ctypes
import os

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
# Exists and may be searched by everyone on every system; what it holds was opened before.
STAGE = "/tmp"  # noqa: S108  # covered by our own tmpfs in a namespace of our own

_libc = ctypes.CDLL(None, use_errno=True)


def stage(paths: dict[str, str]) -> dict[str, str] | None:
    """Leave the host's mount namespace and return where each path can now be reached.

    The names become paths below the stage. None: this root may not do so (a container's, say).
    """
    if _libc.unshare(_CLONE_NEWNS) != 0:
        return None
    # Nothing mounted from here on may show on the host.
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    # After the change: a bind takes only what was opened in the same namespace. Before the stage
    # covers its directory: some of the paths may lie there.
    opened = {name: os.open(path, os.O_PATH | os.O_CLOEXEC) for name, path in paths.items()}
    _mount("tmpfs", STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755,size=1m")
    return {name: _bind(descriptor, name) for name, descriptor in opened.items()}


def _bind(descriptor: int, name: str) -> str:
    target = f"{STAGE}/{name}"
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _mount(f"/proc/self/fd/{descriptor}", target, None, _MS_BIND)
    return target


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
