"""A new encryption key: every sealed row is sealed again, then the old keys are dropped.

Safe to be killed at any moment: a key is on disk before a row needs it, and stays until no row
does. Running it again finishes the work, with one more key.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from casemate.apiserver.store.data_dir import (
    DATABASE,
    KEYRING,
    DataDirLock,
    refuse_half_restored,
)
from casemate.apiserver.store.failures import EncryptionKeyRefused, corrupted, open_failure
from casemate.apiserver.store.keyring import Keyring, load_keyring
from casemate.apiserver.store.opening import BATCH, connect
from casemate.apiserver.store.rows import DamagedRow, RowCodec, read_rows, write_row
from casemate.apiserver.store.schema import prepare_schema


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new key's name, and how many objects were sealed again."""

    key_name: str
    objects: int


def rotate_key(data_dir: Path, keys: Path | None = None) -> Rotated:
    """Rotate the key of a store that no engine runs on. Raises DataDirInUse, StoreFull, ..."""
    keys = keys or data_dir / KEYRING
    database = data_dir / DATABASE
    with DataDirLock(data_dir):
        refuse_half_restored(data_dir)
        old = load_keyring(keys)
        if old is None or not database.exists():
            raise EncryptionKeyRefused(
                f"{data_dir} has no encrypted store", hint="a key is made when an engine starts"
            )
        try:
            connection = connect(database)
            try:
                prepare_schema(connection, database)
                return _rotate(connection, old.with_new_key(), keys)
            finally:
                connection.close()
        except DamagedRow as error:
            raise corrupted(database, str(error)) from error
        except (sqlite3.Error, OSError) as error:
            raise open_failure(database, error) from error


def _rotate(connection: sqlite3.Connection, keyring: Keyring, keys: Path) -> Rotated:
    keyring.save(keys)
    count = 0
    where = "key_name NOT IN ('', ?) LIMIT ?"
    reader = RowCodec(frozenset(), keyring)
    while rows := list(read_rows(connection, where, (keyring.current, BATCH))):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for row in rows:
                stored = reader.object_of(row)
                writer = RowCodec(frozenset({row.key.group_resource}), keyring)
                write_row(connection, writer.row_of(stored))
        count += len(rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    keyring.only(()).save(keys)
    return Rotated(keyring.current, count)
