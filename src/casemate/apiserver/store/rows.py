"""One object <-> one row, checked both ways; bodies of secret kinds are sealed on their way out.

A row says four times what it is: its key, the metadata in its body, a checksum over all, and for a
sealed body the cipher's own binding. A row that disagrees with itself is damage, never a guess.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from casemate.apiserver.resource import GroupResource
from casemate.apiserver.store.failures import EncryptionKeyRefused
from casemate.apiserver.store.keyring import Keyring, Unsealable
from casemate.apiserver.store.objects import ObjectKey, StoredObject

_COLUMNS = "grp, plural, namespace, name, uid, revision, key_name, body, checksum"
# By key only: OR REPLACE would also drop another object's row, were a revision used twice.
_WRITE = f"""
INSERT INTO objects ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (grp, plural, namespace, name) DO UPDATE SET uid = excluded.uid,
  revision = excluded.revision, key_name = excluded.key_name, body = excluded.body,
  checksum = excluded.checksum
"""  # noqa: S608  # a constant
_CHECKSUM_BYTES = 16


class DamagedRow(ValueError):
    """A row that is not as it was written; the text names it and holds nothing of its body."""


class Row(NamedTuple):
    """What one row holds; an empty `key_name` is a body in clear."""

    grp: str
    plural: str
    namespace: str
    name: str
    uid: str
    revision: int
    key_name: str
    body: bytes
    checksum: bytes

    @property
    def key(self) -> ObjectKey:
        """Return whose row it is."""
        return ObjectKey(*self[:4])

    @property
    def bound_to(self) -> bytes:
        """Return what a sealed body is bound to."""
        return json.dumps(self[:6]).encode()


@dataclass(frozen=True, slots=True)
class RowCodec:
    """Writes and reads rows; without a keyring everything is in clear (a store in memory)."""

    sealed_kinds: frozenset[GroupResource] = frozenset()
    keyring: Keyring | None = None

    def row_of(self, stored: StoredObject) -> Row:
        """Return the row of an object."""
        row = Row(*stored.key, stored.uid, stored.resource_version, "", stored.body, b"")
        if self.keyring is not None and stored.key.group_resource in self.sealed_kinds:
            sealed = self.keyring.seal(stored.body, row.bound_to)
            row = row._replace(key_name=self.keyring.current, body=sealed)
        return row._replace(checksum=checksum(row))

    def object_of(self, row: Row, *, must_be_sealed: bool = False) -> StoredObject:
        """Return the object of a row. Raises DamagedRow, EncryptionKeyRefused."""
        if not _typed(row) or row.checksum != checksum(row):
            raise _damaged(row, "its checksum is wrong")
        if must_be_sealed and not row.key_name:
            raise _damaged(row, "it is in clear where it was sealed")
        body = self._body(row)
        try:
            metadata = json.loads(body)["metadata"]
            named = (metadata.get("namespace") or "", metadata["name"])
            said = (*named, str(metadata.get("uid", "")), metadata["resourceVersion"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(row, "its body cannot be read") from error
        if said != (row.namespace, row.name, row.uid, str(row.revision)):
            raise _damaged(row, "its body is of another object")
        return StoredObject.read(row.key, body, row.revision, metadata)

    def _body(self, row: Row) -> bytes:
        if not row.key_name:
            return row.body
        if self.keyring is None or row.key_name not in self.keyring.keys:
            raise EncryptionKeyRefused(
                f"the key {row.key_name} that sealed the store is missing",
                hint="put back the encryption.key that belongs to this database, or restore",
            )
        try:
            return self.keyring.unseal(row.key_name, row.body, row.bound_to)
        except Unsealable as error:
            raise _damaged(row, "its sealed body was changed or belongs elsewhere") from error


def checksum(row: Row) -> bytes:
    """Return the checksum that a row has to have: against damage, not against an attacker."""
    digest = blake2b(json.dumps(row[:7]).encode(), digest_size=_CHECKSUM_BYTES)
    digest.update(row.body)
    return digest.digest()


def _typed(row: Row) -> bool:
    # SQLite keeps what it is given, whatever the column says.
    texts = (*row.key, row.uid, row.key_name)
    return isinstance(row.body, bytes) and all(isinstance(text, str) for text in texts)


def write_row(connection: sqlite3.Connection, row: Row) -> None:
    """Insert a row, or replace the one of its key."""
    connection.execute(_WRITE, row)


def delete_row(connection: sqlite3.Connection, key: ObjectKey) -> None:
    """Delete the row of a key."""
    connection.execute(
        "DELETE FROM objects WHERE grp = ? AND plural = ? AND namespace = ? AND name = ?", key
    )


def read_rows(
    connection: sqlite3.Connection, where: str = "1", values: tuple[Any, ...] = ()
) -> Iterator[Row]:
    """Yield rows; `where` is a constant of ours."""
    for found in connection.execute(f"SELECT {_COLUMNS} FROM objects WHERE {where}", values):  # noqa: S608  # never of a caller
        yield Row(*found)


def _damaged(row: Row, why: str) -> DamagedRow:
    return DamagedRow(f"{row.key.group_resource} {row.namespace}/{row.name}: {why}")
