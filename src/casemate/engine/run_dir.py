"""The directory of a running engine: sockets, logs and the lock that keeps it one.

It is private (0700): its kubeconfig is the API's administrator.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path

from casemate.errors import Unavailable


class EngineAlreadyRuns(Unavailable):
    """Another engine holds the directory."""

    code = "EngineAlreadyRuns"


class UnsafeRunDir(Unavailable):
    """The directory belongs to somebody else or is open to others."""

    code = "UnsafeRunDir"


class RunDir:
    """An open, locked run directory; `close` empties it and gives the lock back."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @property
    def kubeconfig(self) -> Path:
        """How every command finds the API of the engine that runs here."""
        return self.path / "kubeconfig"

    @property
    def api_keys(self) -> Path:
        """Keys of an API without a data directory: they end with it."""
        return self.path / "api"

    @property
    def sockets(self) -> Path:
        """Parent of the instances' listening sockets; never mounted into a sandbox."""
        return self.path / "s"

    @property
    def logs(self) -> Path:
        """Parent of the instances' log files."""
        return self.path / "logs"

    def write_kubeconfig(self, text: str) -> None:
        """Put the file there in one step, readable by this user alone."""
        draft = self.path / ".kubeconfig"
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123  # pathlib has no mode
            file.write(text)
        draft.rename(self.kubeconfig)

    def close(self) -> None:
        """Remove the sockets (logs stay for reading) and release the lock."""
        self.clear()
        os.close(self._lock_fd)

    def clear(self) -> None:
        """Remove what an engine that was killed left behind; logs stay for reading."""
        self.kubeconfig.unlink(missing_ok=True)
        for folder in (self.api_keys, self.sockets):
            shutil.rmtree(folder, ignore_errors=True)


def open_run_dir(path: Path) -> RunDir:
    """Create, check and lock `path`.

    Raises EngineAlreadyRuns when it is locked, UnsafeRunDir when it is not ours alone.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    # ATTACK: in a shared /tmp anybody may have made this name first, or linked it elsewhere.
    # tests/unit/engine/test_run_dir.py
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UnsafeRunDir(
            f"{path} is not a directory of this user",
            hint="remove it, or set CASEMATE_RUN_DIR to a directory of yours",
        )
    path.chmod(0o700)
    lock_fd = os.open(path / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise EngineAlreadyRuns(
            f"another engine runs in {path}",
            hint="stop it, or set CASEMATE_RUN_DIR for a second one",
        ) from error
    # Who holds the lock, for `casemate down`; the lock itself says that somebody does.
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
    opened = RunDir(path, lock_fd)
    opened.clear()
    opened.sockets.mkdir(mode=0o700)
    opened.logs.mkdir(mode=0o700, exist_ok=True)
    return opened
