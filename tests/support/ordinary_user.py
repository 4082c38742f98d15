"""Runs a test's code as an ordinary user, when the tests themselves run as root.

The user must reach the interpreter and this checkout, which may lie under root's own 0700 home: the
child gets a mount table of its own in which just those are shown. Nothing of it outlives the child.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

UID = 65534
_CLONE_NEWNS = 0x20000
_MS_BIND_REC, _MS_REC_PRIVATE = 0x5000, 0x44000
_libc = ctypes.CDLL(None, use_errno=True)


def run_as_ordinary_user(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python `code` as nobody in a fresh home; as the present user when that is not root."""
    with tempfile.TemporaryDirectory(prefix="casemate-user-") as home:
        root = os.geteuid() == 0
        if root:
            os.chown(home, UID, UID)
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={
                "HOME": home,
                "TMPDIR": home,
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(Path(__file__).parents[1]),
            },
            cwd=home,
            preexec_fn=_become_ordinary if root else None,
        )


def _become_ordinary() -> None:
    _check(_libc.unshare(_CLONE_NEWNS))
    _check(_libc.mount(None, b"/", None, _MS_REC_PRIVATE, None))
    checkout = Path(__file__).parents[2]
    _show([Path(sys.base_prefix).resolve(), Path(sys.prefix), checkout])
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def _show(paths: list[Path]) -> None:
    """Cover each closed directory above one of `paths` with one that holds only these paths."""
    opened = {}
    for path in paths:
        closed = next((one for one in reversed(path.parents) if not one.stat().st_mode & 1), None)
        if closed is not None:
            opened[path] = (closed, os.open(path, os.O_PATH))
    for closed in {closed for closed, _source in opened.values()}:
        _check(_libc.mount(b"tmpfs", os.fsencode(closed), b"tmpfs", 0, b"mode=0755"))
    for path, (_closed, source) in opened.items():
        path.mkdir(parents=True, exist_ok=True)
        here = f"/proc/self/fd/{source}".encode()
        _check(_libc.mount(here, os.fsencode(path), None, _MS_BIND_REC, None))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
