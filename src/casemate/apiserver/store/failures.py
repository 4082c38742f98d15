"""What can go wrong with the store as a whole, each with the way back.

`StoreFull` is an `ApiError`, because a caller is told it as it is; the others end an open or a
command, or become a plain 500. None of them ever leads to something being deleted.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from casemate.apiserver.status_error import ApiError
from casemate.errors import CasemateError, InvalidInput, Unavailable, Unsupported

BACKUPS = "backups"
BACKUP_ENDING = ".casemate-backup"
_RETRY_SECONDS = 5


class StoreFull(ApiError):
    """The disk did not take the change; nothing of it was kept."""

    code = "StoreFull"

    def __init__(self) -> None:
        super().__init__(
            507,
            "InsufficientStorage",
            "the disk did not take the change, nothing of it was kept: free some space, try again",
            retry_after_seconds=_RETRY_SECONDS,
        )


class StoreBroken(Unavailable):
    """The database cannot be written or read."""

    code = "StoreBroken"


class StoreCorrupted(CasemateError):
    """What the database holds is not what was written."""

    code = "StoreCorrupted"
    exit_code = 1


class StoreTooNew(Unsupported):
    """The database was written by a newer version."""

    code = "StoreTooNew"


class EncryptionKeyRefused(CasemateError):
    """The encryption key is missing, is another one, or others may read it."""

    code = "EncryptionKeyRefused"
    exit_code = 1


class DataDirInUse(Unavailable):
    """Another process works with the data directory."""

    code = "DataDirInUse"


class BackupRefused(InvalidInput):
    """A backup cannot be written there, or is none, or would replace something."""

    code = "BackupRefused"


def corrupted(path: Path, why: str) -> StoreCorrupted:
    """Return the error that names the newest backup."""
    return StoreCorrupted(
        f"the database {path} is damaged: {why}; nothing was changed", hint=_way_back(path.parent)
    )


def open_failure(path: Path, error: Exception) -> CasemateError:
    """Tell a damaged file from one that cannot be reached."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return corrupted(path, str(error))
    return StoreBroken(
        f"the database {path} cannot be opened: {error}",
        hint="check that the directory belongs to you and that its disk has room",
    )


def write_failure(error: Exception) -> CasemateError:
    """Tell a disk that takes nothing from other failures of a write."""
    code = getattr(error, "sqlite_errorcode", None)
    # IOERR is a write or fsync that failed: with a quota or a file size limit that is "full" too.
    if code is not None and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreFull()
    return StoreBroken(f"the store cannot be written: {type(error).__name__}")


def _way_back(data_dir: Path) -> str:
    found = sorted(
        (data_dir / BACKUPS).glob(f"*{BACKUP_ENDING}"), key=lambda each: each.stat().st_mtime_ns
    )
    file = str(found[-1]) if found else "FILE"
    where = "" if found else f" (a backup is looked for in {data_dir / BACKUPS}; none is there)"
    return f"casemate restore {file} --replace; the damaged files are kept beside{where}"
