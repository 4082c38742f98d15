"""One engine per directory, older and newer schemas, and damage of every kind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from casemate.apiserver.store.backups import backup
from casemate.apiserver.store.database import StoreBroken
from casemate.apiserver.store.failures import DataDirInUse, StoreCorrupted, StoreTooNew
from support.stores import CONFIG_MAPS, SECRETS, a_key, an_object, fill, values, with_store

VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE objects (
  grp TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (grp, plural, namespace, name)
) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema', '1'), ('revision', '7');
"""


def a_version_1_file(path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    for of, revision in ((CONFIG_MAPS, 5), (SECRETS, 6)):
        key = a_key("old", of)
        body = json.dumps(an_object(key, "kept", resourceVersion=str(revision))).encode()
        row = (*key, "uid-old", revision, body)
        connection.execute("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


def test_a_version_1_file_is_migrated_and_a_copy_of_it_is_kept(tmp_path):
    path = tmp_path / "store.sqlite"
    a_version_1_file(path)

    async def use(store):
        return store.revision

    assert with_store(path, use) == 7
    assert values(path) == {"old": "kept"}
    assert values(path, SECRETS) == {"old": "kept"}
    assert b"kept" in path.read_bytes()  # the ConfigMap
    copy = tmp_path / "backups" / "schema-1.sqlite"
    assert copy.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT value FROM meta WHERE name='schema'").fetchone() == ("1",)
    assert connection.execute("SELECT count(*) FROM objects").fetchone() == (2,)
    connection.close()


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    a_version_1_file(path)
    # Two objects of one revision: the old file is damaged in a way that the new table refuses.
    connection = sqlite3.connect(path)
    connection.execute("UPDATE objects SET revision = 5")
    connection.commit()
    connection.close()

    with pytest.raises(StoreBroken):
        values(path)

    connection = sqlite3.connect(path)
    assert connection.execute("SELECT value FROM meta WHERE name='schema'").fetchone() == ("1",)
    assert connection.execute("SELECT count(*) FROM objects").fetchone() == (2,)
    connection.close()


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "store.sqlite"
    fill(path)
    change(path, "UPDATE meta SET value = '99' WHERE name = 'schema'")

    with pytest.raises(StoreTooNew, match="schema 99, this version knows 2") as refused:
        values(path)

    assert "newer casemate" in refused.value.hint
    change(path, "UPDATE meta SET value = '2' WHERE name = 'schema'")
    assert len(values(path)) == 3


def test_the_second_engine_on_a_directory_is_refused_by_the_pid_of_the_first(tmp_path):
    path = tmp_path / "store.sqlite"

    async def use(_store):
        code = f"import asyncio; from pathlib import Path; from casemate.apiserver.store.database import Store; asyncio.run(Store.open(Path({str(path)!r})))"
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )

    second = with_store(path, use)

    assert second.returncode != 0
    assert f"process {os.getpid()} already works with {tmp_path}" in second.stderr


def test_the_lock_of_a_killed_engine_is_free(tmp_path):
    path = tmp_path / "store.sqlite"
    code = f"import asyncio, time; from pathlib import Path; from casemate.apiserver.store.database import Store\nasync def main():\n  await Store.open(Path({str(path)!r})); print(1, flush=True); time.sleep(60)\nasyncio.run(main())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        with pytest.raises(DataDirInUse, match=f"process {child.pid} "):
            values(path)
        os.kill(child.pid, signal.SIGKILL)

    assert values(path) == {}


def test_a_bit_that_flipped_anywhere_is_found_or_harmless(tmp_path):
    path = tmp_path / "store.sqlite"
    fill(path, 40, value="x" * 300)
    whole = path.read_bytes()
    expected = values(path)
    found = 0
    for place in range(0, len(whole), len(whole) // 40 or 1):
        flipped = bytearray(whole)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        try:
            assert values(path) == expected, place
        except (StoreCorrupted, StoreBroken, StoreTooNew):
            found += 1
            assert path.exists()
        for left in ("store.sqlite-wal", "store.sqlite-shm"):
            (tmp_path / left).unlink(missing_ok=True)
        path.write_bytes(whole)

    assert found > 10


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE objects SET body = replace(CAST(body AS TEXT), 'good', 'evil')",
        "UPDATE objects SET uid = 'other'",
        "UPDATE objects SET name = 'other' WHERE name = 'n0'",
        "UPDATE meta SET value = '3' WHERE name = 'revision'",
        "UPDATE meta SET value = 'x' WHERE name = 'revision'",
        "DELETE FROM meta",
        "DROP TABLE meta",
    ],
)
def test_a_row_that_was_changed_is_damage(tmp_path, damage):
    path = tmp_path / "store.sqlite"
    fill(path, value="good")
    change(path, damage)

    with pytest.raises(StoreCorrupted):
        values(path)


def test_a_damaged_database_stays_and_the_message_names_the_newest_backup(tmp_path):
    path = tmp_path / "store.sqlite"
    fill(path)
    (tmp_path / "backups").mkdir()
    backup(tmp_path, tmp_path / "backups" / "first.casemate-backup")
    newest = tmp_path / "backups" / "second.casemate-backup"
    backup(tmp_path, newest)
    os.utime(newest, (2e9, 2e9))
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreCorrupted, match="nothing was changed") as refused:
        values(path)

    assert f"casemate restore {newest} --replace" in refused.value.hint
    assert path.read_bytes() == b"not a database" * 1000


def change(path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
