"""The directory that holds a store: who may read it, and that one process at a time works with it.

The lock is the kernel's and not the file's existence: it goes with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from casemate.apiserver.store.failures import DataDirInUse, StoreBroken

DATABASE = "store.sqlite"
KEYRING = Path("keys") / "encryption.key"
RESTORE_MARK = "restore-is-not-finished"
_LOCK = "lock"
_MOST_PID_CHARS = 20


class DataDirLock:
    """Held while a process works with a data directory."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock, and make the directory. Raises DataDirInUse, StoreBroken."""
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._descriptor = os.open(data_dir / _LOCK, flags, 0o600)
        except OSError as error:
            raise StoreBroken(f"the data directory cannot be used: {error}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.pread(self._descriptor, _MOST_PID_CHARS, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise DataDirInUse(
                f"process {pid or 'unknown'} already works with {data_dir}",
                hint="stop it (casemate down), or give another --data-dir",
            ) from error
        # A full disk may refuse the number: the lock holds all the same.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let the next one in; safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def refuse_half_restored(data_dir: Path) -> None:
    """Raise StoreBroken where a restore was interrupted: what is there may be half of two."""
    if (data_dir / RESTORE_MARK).exists():
        raise StoreBroken(
            f"a restore into {data_dir} was interrupted",
            hint="run the same casemate restore again; what was there before is kept beside",
        )


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file, readable by its owner alone: all of the old one or all of the new one."""
    waiting = path.with_name(f"{path.name}.new")
    waiting.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(waiting, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)
    sync_directory(path.parent)
