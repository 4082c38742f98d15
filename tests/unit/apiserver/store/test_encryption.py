import json
import sqlite3

import pytest

from casemate.apiserver.store import opening
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.failures import EncryptionKeyRefused, StoreCorrupted
from casemate.apiserver.store.keyring import Keyring
from support.stores import SECRETS, a_key, an_object, fill, values, with_store

PLANTED = "planted-5f1d0c"


def files_with(directory, needle: str) -> set[str]:
    return {
        path.name
        for path in directory.rglob("*")
        if path.is_file() and needle.encode() in path.read_bytes()
    }


def write_and_look(path, encrypt) -> set[str]:
    """Plant a secret, replace it, and look into every file while the store is open and after."""

    async def use(store: Store) -> set[str]:
        key = a_key("n0", SECRETS)
        made = await store.create(key, an_object(key, PLANTED))
        await store.replace(key, an_object(key, PLANTED + "!"), expected=made.resource_version)
        return files_with(path.parent, PLANTED)

    return with_store(path, use, encrypt) | files_with(path.parent, PLANTED)


def test_a_secret_is_in_no_file(tmp_path):
    clear, sealed = tmp_path / "clear", tmp_path / "sealed"

    # Without the protection the search finds it: the search itself is no blind one.
    assert write_and_look(clear / "store.sqlite", ()) == {"store.sqlite", "store.sqlite-wal"}
    assert write_and_look(sealed / "store.sqlite", (SECRETS,)) == set()
    assert values(sealed / "store.sqlite", SECRETS) == {"n0": PLANTED + "!"}


def test_turning_encryption_on_wipes_what_was_written_before(tmp_path):
    path = tmp_path / "store.sqlite"
    write_and_look(path, ())
    assert files_with(tmp_path, PLANTED)

    assert values(path, SECRETS) == {"n0": PLANTED + "!"}

    assert files_with(tmp_path, PLANTED) == set()


def test_a_start_that_is_killed_before_it_wiped_wipes_at_the_next(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"

    write_and_look(path, ())
    # Free pages as a SQLite leaves them that was built to be quick.
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE gone AS SELECT ? AS body", (PLANTED * 5000,))
    connection.execute("DROP TABLE gone")
    connection.commit()
    connection.close()

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(opening, "_wipe_free_pages", killed)
        with pytest.raises(KeyboardInterrupt):
            opening.open_database(path, (SECRETS,), None)
    assert files_with(tmp_path, PLANTED)

    assert values(path, SECRETS) == {"n0": PLANTED + "!"}
    assert files_with(tmp_path, PLANTED) == set()


@pytest.mark.parametrize("column", ["name", "uid", "revision"])
def test_a_sealed_body_opens_in_no_other_row(tmp_path, column):
    path = tmp_path / "store.sqlite"
    fill(path, 1, SECRETS)
    change_row(path, lambda row: row._replace(**{column: 1 if column == "revision" else "other"}))

    with pytest.raises(StoreCorrupted, match="changed or belongs elsewhere"):
        values(path, SECRETS)


def test_a_row_in_clear_is_refused_where_rows_are_sealed(tmp_path):
    path = tmp_path / "store.sqlite"
    fill(path, 1, SECRETS)
    body = json.dumps(an_object(a_key("n0"), "mine", resourceVersion="2")).encode()
    change_row(path, lambda row: row._replace(key_name="", body=body))

    with pytest.raises(StoreCorrupted, match="in clear where it was sealed"):
        values(path, SECRETS)


@pytest.mark.parametrize("damage", ["missing", "another", "garbage", "renamed"])
def test_without_its_key_a_store_does_not_open_and_makes_no_new_one(tmp_path, damage):
    path, keys = tmp_path / "store.sqlite", tmp_path / "keys" / "encryption.key"
    fill(path, 1, SECRETS)
    whole = keys.read_bytes()
    keys.unlink()
    if damage == "another":
        Keyring.fresh().save(keys)
    elif damage != "missing":
        keys.write_bytes(b"{}" if damage == "garbage" else whole.replace(b'": "', b'0": "'))
        keys.chmod(0o600)
    before = keys.exists()

    with pytest.raises(EncryptionKeyRefused) as refused:
        values(path, SECRETS)

    assert "put back the encryption.key" in refused.value.hint
    assert keys.exists() == before
    keys.unlink(missing_ok=True)
    keys.write_bytes(whole)
    keys.chmod(0o600)
    assert values(path, SECRETS) == {"n0": ""}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path, mode):
    path, keys = tmp_path / "store.sqlite", tmp_path / "keys" / "encryption.key"
    fill(path, 1, SECRETS)
    assert keys.stat().st_mode & 0o777 == 0o600
    keys.chmod(mode)

    with pytest.raises(EncryptionKeyRefused, match="others may read"):
        values(path, SECRETS)


def test_a_link_in_place_of_the_key_is_refused(tmp_path):
    path, keys = tmp_path / "store.sqlite", tmp_path / "keys" / "encryption.key"
    fill(path, 1, SECRETS)
    keys.rename(tmp_path / "elsewhere")
    keys.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(EncryptionKeyRefused, match="cannot be read"):
        values(path, SECRETS)


def test_files_of_the_store_are_for_their_owner_alone(tmp_path):
    async def use(_store: Store) -> set[int]:
        return {each.stat().st_mode & 0o077 for each in (tmp_path / "data").rglob("*")}

    assert with_store(tmp_path / "data" / "store.sqlite", use) == {0}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_keyring_shows_no_key():
    made = Keyring.fresh()

    assert made.keys[made.current].hex() not in repr(made)
    assert repr(made) == f"Keyring(current='{made.current}')"


def change_row(path, change) -> None:
    """Write a row as somebody with the file would, checksum included."""
    from casemate.apiserver.store.rows import checksum, read_rows, write_row  # noqa: PLC0415

    connection = sqlite3.connect(path)
    row = change(next(read_rows(connection)))
    connection.execute("DELETE FROM objects")
    write_row(connection, row._replace(checksum=checksum(row)))
    connection.commit()
    connection.close()
