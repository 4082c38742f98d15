"""A backup becomes the store of a data directory: all of it, or what was there stays.

The revision makes a leap, so that no resourceVersion of the lost future can be met again: who
watches or lists with one hears 410 or 504 and lists anew. What was there is moved aside and kept.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from casemate.apiserver.store.backups import read_backup
from casemate.apiserver.store.data_dir import (
    DATABASE,
    KEYRING,
    RESTORE_MARK,
    DataDirLock,
    sync_directory,
    write_durably,
)
from casemate.apiserver.store.failures import BackupRefused, open_failure
from casemate.apiserver.store.schema import write_meta

# What Kubernetes advises for etcd (`etcdutl snapshot restore --bump-revision`): days of writes.
REVISION_LEAP = 1_000_000_000
_STAGE = "restore.new"


@dataclass(frozen=True, slots=True)
class Restored:
    """What is in the data directory now; `kept` is where the store before it was moved to."""

    objects: int
    revision: int
    taken: str
    kept: Path | None


def restore(archive: Path, data_dir: Path, *, replace: bool = False) -> Restored:
    """Make a backup the store; one that is there is refused unless `replace`, and then kept.

    Raises BackupRefused, DataDirInUse, StoreBroken.
    """
    with DataDirLock(data_dir):
        stage, mark = data_dir / _STAGE, data_dir / RESTORE_MARK
        if _has_store(data_dir) and not replace and not mark.exists():
            raise BackupRefused(
                f"{data_dir} has a store", hint="--replace moves it aside; or another --data-dir"
            )
        try:
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(mode=0o700)
            made = read_backup(archive, stage)
            revision = made.revision + REVISION_LEAP
            _leap(stage / DATABASE, revision)
            # From here to the end an engine refuses to open: it could meet half of two stores.
            write_durably(mark, f"{archive}\n".encode())
            kept = _move_aside(data_dir)
            _move_in(stage, data_dir)
            mark.unlink()
            sync_directory(data_dir)
        except (sqlite3.Error, OSError) as error:
            raise open_failure(data_dir / DATABASE, error) from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return Restored(made.objects, revision, made.taken, kept)


def _has_store(data_dir: Path) -> bool:
    return any(os.path.lexists(data_dir / name) for name in (DATABASE, KEYRING))


def _leap(database: Path, revision: int) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        write_meta(connection, "revision", str(revision))
        connection.execute("PRAGMA journal_mode = DELETE")


def _move_aside(data_dir: Path) -> Path | None:
    if not _has_store(data_dir):
        return None
    number = 1
    # One without a database is of a restore that was interrupted here: it is filled up.
    while (data_dir / f"before-restore-{number}" / DATABASE).exists():
        number += 1
    kept = data_dir / f"before-restore-{number}"
    kept.mkdir(mode=0o700, exist_ok=True)
    (kept / KEYRING.parent).mkdir(mode=0o700, exist_ok=True)
    for name in (str(KEYRING), f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE):
        if os.path.lexists(data_dir / name):
            (data_dir / name).rename(kept / name)
    sync_directory(kept)
    sync_directory(data_dir)
    return kept


def _move_in(stage: Path, data_dir: Path) -> None:
    if (stage / KEYRING).exists():
        (data_dir / KEYRING).parent.mkdir(mode=0o700, exist_ok=True)
        (stage / KEYRING).rename(data_dir / KEYRING)
        sync_directory((data_dir / KEYRING).parent)
    (stage / DATABASE).rename(data_dir / DATABASE)
    sync_directory(data_dir)
