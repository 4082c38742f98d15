"""Opens a database and proves every row before anything is served from it.

Damage, a missing key and a newer schema end here with the way back in the message; nothing is
repaired by guessing and nothing is deleted.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection
from pathlib import Path

from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.data_dir import KEYRING, refuse_half_restored
from casemate.apiserver.store.failures import corrupted, open_failure
from casemate.apiserver.store.keyring import Keyring, load_keyring
from casemate.apiserver.store.rows import DamagedRow, RowCodec, read_rows, write_row
from casemate.apiserver.store.schema import prepare_schema, read_meta, write_meta
from casemate.apiserver.store.writer import WriterState
from casemate.errors import CasemateError

# Rows of one transaction that seals or seals again: a kill loses no more work than that.
BATCH = 500
_SEALED = "sealed_kinds"


def open_database(
    path: Path | None, sealed_kinds: Collection[GroupResource], keys: Path | None
) -> WriterState:
    """Return the state of a store; None: in memory. The caller holds the lock."""
    if path is None:
        return _read(None, connect(None), RowCodec(), frozenset())
    refuse_half_restored(path.parent)
    connection = None
    try:
        connection = connect(path)
        prepare_schema(connection, path)
        kinds = frozenset(sealed_kinds)
        keyring = _keyring(connection, kinds, keys or path.parent / KEYRING)
        codec = RowCodec(kinds, keyring)
        if kinds:
            _seal_what_is_clear(connection, codec)
        return _read(path, connection, codec, _sealed(connection))
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, DamagedRow):
            raise corrupted(path, str(error)) from error
        if isinstance(error, CasemateError) or not isinstance(error, (sqlite3.Error, OSError)):
            raise
        raise open_failure(path, error) from error


def connect(path: Path | None) -> sqlite3.Connection:
    """Open a database file of mode 0600, and check its pages. Raises StoreCorrupted."""
    if path is not None:
        # Made before SQLite makes it: the WAL inherits the mode, and at no moment may others read.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        os.close(os.open(path, flags, 0o600))
        path.chmod(0o600)
    connection = sqlite3.connect(
        path if path is not None else ":memory:", check_same_thread=False, isolation_level=None
    )
    try:
        _configure(connection)
        _check_pages(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA journal_mode = WAL")
    # The default of WAL mode, NORMAL, loses what was acknowledged when the power fails.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    # What is replaced or deleted is overwritten; many builds of SQLite leave it in free pages.
    connection.execute("PRAGMA secure_delete = ON")


def _check_pages(connection: sqlite3.Connection, path: Path | None) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise corrupted(path or Path(), str(found[0]))


def _keyring(
    connection: sqlite3.Connection, kinds: frozenset[GroupResource], keys: Path
) -> Keyring | None:
    """Return the keyring; a new one only where nothing was sealed yet."""
    keyring = load_keyring(keys)
    needed = connection.execute("SELECT 1 FROM objects WHERE key_name != ''").fetchone()
    if keyring is None and kinds and needed is None:
        keyring = Keyring.fresh()
        # On disk before a body is sealed with it: a kill leaves a key too many, never one too few.
        keyring.save(keys)
    return keyring


def _seal_what_is_clear(connection: sqlite3.Connection, codec: RowCodec) -> None:
    """Seal the rows of kinds that were not sealed before, and wipe what they left in the file."""
    done = _sealed(connection)
    new = codec.sealed_kinds - done
    if not new:
        return
    for kind in new:
        where = "grp = ? AND plural = ? AND key_name = '' LIMIT ?"
        while rows := list(read_rows(connection, where, (*kind, BATCH))):
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                for row in rows:
                    write_row(connection, codec.row_of(codec.object_of(row)))
    _wipe_free_pages(connection)
    # Last: a start that was killed before wipes again, though it finds nothing left to seal.
    write_meta(connection, _SEALED, json.dumps(sorted(done | codec.sealed_kinds)))


def _wipe_free_pages(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _sealed(connection: sqlite3.Connection) -> frozenset[GroupResource]:
    found = json.loads(read_meta(connection, _SEALED) or "[]")
    return frozenset(GroupResource(*each) for each in found)


def _read(
    path: Path | None,
    connection: sqlite3.Connection,
    codec: RowCodec,
    sealed: frozenset[GroupResource],
) -> WriterState:
    if path is None:
        prepare_schema(connection, None)
    text = read_meta(connection, "revision") or ""
    if not text.isdecimal():
        raise DamagedRow("the revision is no number")
    state = WriterState(connection, int(text), codec)
    for row in read_rows(connection):
        must = row.key.group_resource in sealed
        stored = codec.object_of(row, must_be_sealed=must)
        if stored.resource_version > state.revision:
            raise DamagedRow(f"revision {row.revision} is newer than the store's {text}")
        state.current[stored.key] = stored
    return state
