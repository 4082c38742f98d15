"""A backup: one file with the database, its keys and a manifest; readable by its owner alone.

It is taken while an engine runs or while none does, and is of one moment. It holds the encryption
key beside what the key seals: whoever has the file has the secrets. Certificates and logs are not
in it; an engine makes new ones.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from casemate import clock
from casemate.apiserver.store.data_dir import (
    DATABASE,
    KEYRING,
    refuse_half_restored,
    sync_directory,
)
from casemate.apiserver.store.failures import BackupRefused, open_failure
from casemate.apiserver.store.keyring import Keyring, load_keyring
from casemate.apiserver.store.opening import open_database
from casemate.errors import CasemateError

FORMAT = 1
MANIFEST, KEYS = "manifest.json", KEYRING.name
_WHOLE = "whole"
# Ten times the largest store that was measured; against an archive made to fill the disk.
MOST_BYTES = 8 * 1024**3
_MOST_MANIFEST_BYTES = 64 * 1024
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    path: Path
    objects: int
    revision: int
    taken: str


def backup(data_dir: Path, target: Path, keys: Path | None = None) -> Backup:
    """Write a new file; an existing one is refused, a half-written one never has the name.

    Raises BackupRefused, StoreBroken, StoreCorrupted, EncryptionKeyRefused.
    """
    if os.path.lexists(target):
        raise _taken(target)
    database, keys = data_dir / DATABASE, keys or data_dir / KEYRING
    refuse_half_restored(data_dir)
    if not database.exists():
        raise BackupRefused(f"{data_dir} has no store", hint="give the engine's --data-dir")
    try:
        work = Path(tempfile.mkdtemp(prefix=".casemate-", dir=target.parent))
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written: {error.strerror}") from error
    try:
        # Read before and after: a rotation meanwhile adds a key first and drops one last.
        before = load_keyring(keys)
        _copy(database, work / DATABASE)
        keyring = _joined(before, load_keyring(keys))
        made = _write(work, target, keyring)
        # ATTACK: a link is never followed and nothing is replaced: link fails where a name exists.
        # tests/unit/apiserver/store/test_backups.py
        os.link(work / _WHOLE, target)
        sync_directory(target.parent)
    except FileExistsError as error:
        raise _taken(target) from error
    except (sqlite3.Error, OSError) as error:
        raise open_failure(database, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return made


def read_backup(archive: Path, into: Path) -> Backup:
    """Unpack and prove a backup in an empty directory of ours. Raises BackupRefused, ..."""
    try:
        with tarfile.open(archive, "r:") as tar:
            manifest = _manifest(tar, archive)
            for name, place in ((DATABASE, into / DATABASE), (KEYS, into / KEYRING)):
                if name in manifest["files"]:
                    _unpack(tar, name, place, manifest["files"][name])
        made = Backup(archive, manifest["objects"], manifest["revision"], manifest["taken"])
    except (tarfile.TarError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_backup(archive) from error
    except OSError as error:
        raise BackupRefused(f"{archive} cannot be unpacked: {error.strerror}") from error
    try:
        state = open_database(into / DATABASE, (), into / KEYRING)
    except CasemateError as error:
        raise BackupRefused(f"the store in {archive} is refused: {error.message}") from error
    with closing(state.connection):
        if (len(state.current), state.revision) != (made.objects, made.revision):
            raise _no_backup(archive)
    return made


def _copy(database: Path, copy: Path) -> None:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # mode=rw: a database that is gone is an error here and not made anew.
    source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True)
    with closing(source), closing(sqlite3.connect(copy)) as made:
        source.backup(made)
        # One file without a WAL beside it.
        made.execute("PRAGMA journal_mode = DELETE")


def _joined(one: Keyring | None, other: Keyring | None) -> Keyring | None:
    if one is None or other is None:
        return other or one
    return Keyring(other.current, {**one.keys, **other.keys})


def _write(work: Path, target: Path, keyring: Keyring | None) -> Backup:
    copy = work / DATABASE
    made = _proven(work, target, keyring)
    files = {DATABASE: {"sha256": _digest(copy), "bytes": copy.stat().st_size}}
    encoded = keyring.encoded() if keyring is not None else None
    if encoded is not None:
        files[KEYS] = {"sha256": sha256(encoded).hexdigest(), "bytes": len(encoded)}
    said = {"format": FORMAT, "taken": made.taken, "revision": made.revision,
            "objects": made.objects, "files": files}  # fmt: skip
    head = json.dumps(said, indent=1).encode()
    descriptor = os.open(work / _WHOLE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.addfile(_entry(MANIFEST, len(head)), io.BytesIO(head))
            if encoded is not None:
                tar.addfile(_entry(KEYS, len(encoded)), io.BytesIO(encoded))
            with copy.open("rb") as content:
                tar.addfile(_entry(DATABASE, copy.stat().st_size), content)
        file.flush()
        os.fsync(file.fileno())
    return made


def _proven(work: Path, target: Path, keyring: Keyring | None) -> Backup:
    """Open the copy as an engine would: a backup of damage is no backup."""
    if keyring is not None:
        keyring.save(work / KEYRING)
    state = open_database(work / DATABASE, (), None)
    with closing(state.connection) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        return Backup(target, len(state.current), state.revision, clock.rfc3339(clock.now()))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _manifest(tar: tarfile.TarFile, archive: Path) -> Mapping[str, Any]:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > _MOST_MANIFEST_BYTES:
        raise _no_backup(archive)
    content = tar.extractfile(first)
    made: Mapping[str, Any] = json.loads(content.read() if content is not None else b"")
    if made["format"] != FORMAT:
        raise BackupRefused(
            f"{archive} has format {made['format']!r}", hint="use the newer casemate"
        )
    if DATABASE not in made["files"]:
        raise _no_backup(archive)
    return made


def _unpack(tar: tarfile.TarFile, name: str, place: Path, said: Mapping[str, Any]) -> None:
    # ATTACK: names, links and modes in the archive are not used: an entry is asked for by our
    # name and its bytes go where we say. tests/unit/apiserver/store/test_backups.py
    entry = tar.getmember(name)
    content = tar.extractfile(entry) if entry.isreg() else None
    if content is None or entry.size != said["bytes"] or entry.size > MOST_BYTES:
        raise ValueError(name)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    digest = sha256()
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != said["sha256"]:
        raise ValueError(name)


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _taken(target: Path) -> BackupRefused:
    return BackupRefused(f"{target} exists", hint="give a name that is not taken")


def _no_backup(archive: Path) -> BackupRefused:
    return BackupRefused(f"{archive} is no whole backup", hint="use another one")
