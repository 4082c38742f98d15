"""The database's tables and how older ones become them, one transaction a step.

Before the first step a copy of the database is kept beside, so that the older version can be used
again. A newer schema than this is refused: guessing at it could lose what it added.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from casemate.apiserver.store.data_dir import sync_directory
from casemate.apiserver.store.failures import BACKUPS, StoreTooNew, corrupted
from casemate.apiserver.store.rows import Row, checksum, write_row

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_OBJECTS = """
CREATE TABLE objects (
  grp TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL, revision INTEGER NOT NULL UNIQUE, key_name TEXT NOT NULL, body BLOB NOT NULL,
  checksum BLOB NOT NULL, PRIMARY KEY (grp, plural, namespace, name)
)
"""


def _keys_and_checksums(connection: sqlite3.Connection) -> None:
    """1 -> 2: a row says which key sealed it, and has a checksum."""
    connection.execute("ALTER TABLE objects RENAME TO old_objects")
    connection.execute(_OBJECTS)
    old = "SELECT grp, plural, namespace, name, uid, revision, '', body, x'' FROM old_objects"
    for found in connection.execute(old).fetchall():
        row = Row(*found)
        write_row(connection, row._replace(checksum=checksum(row)))
    connection.execute("DROP TABLE old_objects")


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _keys_and_checksums}
"""From which schema -> the step to the next one."""
NEWEST = max(MIGRATIONS) + 1


def prepare_schema(connection: sqlite3.Connection, path: Path | None) -> None:
    """Create or migrate. Raises StoreTooNew, StoreCorrupted, sqlite3.Error."""
    tables = {
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
    }
    if not tables:
        _create(connection)
        return
    found = read_meta(connection, "schema") if "meta" in tables else None
    if found is None or not found.isdecimal() or int(found) < 1:
        raise corrupted(path or Path(), "it has no schema number")
    version = int(found)
    if version > NEWEST:
        raise StoreTooNew(
            f"the database has schema {version}, this version knows {NEWEST}",
            hint="use the newer casemate, or restore a backup that this version made",
        )
    if version < NEWEST and path is not None:
        _keep_copy(connection, path, version)
    for step in range(version, NEWEST):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            MIGRATIONS[step](connection)
            write_meta(connection, "schema", str(step + 1))


def read_meta(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a value of the table `meta`."""
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


def write_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Set a value of the table `meta`."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        connection.execute(_META)
        connection.execute(_OBJECTS)
        write_meta(connection, "schema", str(NEWEST))
        # 0 means "any" in the API, so the first write is 2 and an empty list is as of 1.
        write_meta(connection, "revision", "1")


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int) -> None:
    kept = path.parent / BACKUPS / f"schema-{version}.sqlite"
    if kept.exists():
        # An earlier start was interrupted: its copy is of the same untouched schema.
        return
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    waiting = kept.with_suffix(".new")
    waiting.unlink(missing_ok=True)
    waiting.touch(mode=0o600)
    copy = sqlite3.connect(waiting)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    waiting.replace(kept)
    sync_directory(kept.parent)
