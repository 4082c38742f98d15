import asyncio
import io
import json
import tarfile

import pytest

from casemate.apiserver.store import restoring
from casemate.apiserver.store.backups import backup
from casemate.apiserver.store.database import Store, StoreBroken
from casemate.apiserver.store.failures import BackupRefused, DataDirInUse
from casemate.apiserver.store.history import Compacted
from casemate.apiserver.store.restoring import REVISION_LEAP, restore
from support.stores import CONFIG_MAPS, SECRETS, a_key, an_object, fill, values, with_store


@pytest.fixture
def saved(tmp_path):
    """A store of three Secrets and its backup."""
    data = tmp_path / "data"
    fill(data / "store.sqlite", 3, SECRETS, "v")
    backup(data, tmp_path / "b")
    return data, tmp_path / "b"


def test_a_backup_restores_into_an_empty_directory(saved, tmp_path):
    _, archive = saved

    made = restore(archive, tmp_path / "new")

    assert archive.stat().st_mode & 0o777 == 0o600
    assert (made.objects, made.kept) == (3, None)
    assert values(tmp_path / "new" / "store.sqlite", SECRETS) == {"n0": "v", "n1": "v", "n2": "v"}
    assert {each.name for each in (tmp_path / "new").iterdir()} == {"lock", "store.sqlite", "keys"}


def test_a_backup_under_writes_is_of_one_moment(tmp_path):
    path = tmp_path / "data" / "store.sqlite"

    async def use(store: Store) -> int:
        async def write() -> None:
            # Two objects change in turn: a backup may have the first ahead, never the second.
            first, second = a_key("first"), a_key("second")
            versions = [
                (await store.create(key, an_object(key, "0"))).resource_version
                for key in (first, second)
            ]
            for number in range(1, 400):
                for place, key in enumerate((first, second)):
                    made = await store.replace(
                        key, an_object(key, str(number)), expected=versions[place]
                    )
                    versions[place] = made.resource_version

        writing = asyncio.ensure_future(write())
        count = 0
        while not writing.done():
            await asyncio.to_thread(backup, path.parent, tmp_path / f"b{count}")
            count += 1
        await writing
        return count

    count = with_store(path, use)

    assert count > 1
    for number in range(min(count, 5)):
        restore(tmp_path / f"b{number}", tmp_path / f"r{number}")
        found = values(tmp_path / f"r{number}" / "store.sqlite")
        ahead = int(found.get("first", 0)) - int(found.get("second", 0))
        assert ahead in (0, 1)


def test_a_store_is_replaced_only_when_told_and_is_kept(saved):
    data, archive = saved
    fill_one_more(data)

    with pytest.raises(BackupRefused, match="has a store"):
        restore(archive, data)
    made = restore(archive, data, replace=True)

    assert len(values(data / "store.sqlite", SECRETS)) == 3
    assert len(values(made.kept / "store.sqlite", SECRETS)) == 4


def test_old_resource_versions_are_compacted_or_of_no_use_after_a_restore(saved):
    data, archive = saved
    fill_one_more(data)
    restore(archive, data, replace=True)
    key = a_key("n0", SECRETS)

    async def use(store: Store) -> int:
        # 5 was the lost write's revision: a watch from there must not go on as if nothing were.
        with pytest.raises(Compacted):
            store.watch(SECRETS, None, 5)
        old = store.get(key).resource_version
        return (await store.replace(key, an_object(key), expected=old)).resource_version

    assert with_store(data / "store.sqlite", use) > REVISION_LEAP


def test_a_restore_killed_between_its_steps_is_noticed_and_can_be_finished(saved, monkeypatch):
    data, archive = saved
    fill_one_more(data)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("_move_aside", "_move_in"):
        with monkeypatch.context() as patch:
            patch.setattr(restoring, step, killed)
            with pytest.raises(KeyboardInterrupt):
                restore(archive, data, replace=True)
        with pytest.raises(StoreBroken, match="was interrupted"):
            values(data / "store.sqlite")

    restore(archive, data)

    assert len(values(data / "store.sqlite", SECRETS)) == 3
    kept = data / "before-restore-1" / "store.sqlite"
    assert len(values(kept, SECRETS)) == 4


def test_nothing_is_restored_under_a_running_engine(saved):
    data, archive = saved

    async def use(_store: Store) -> None:
        with pytest.raises(DataDirInUse):
            restore(archive, data, replace=True)

    with_store(data / "store.sqlite", use)


def test_a_backup_replaces_no_file_and_follows_no_link(saved, tmp_path):
    data, archive = saved
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "victim")

    for target in (archive, link):
        with pytest.raises(BackupRefused, match="exists"):
            backup(data, target)

    assert not (tmp_path / "victim").exists()
    assert not list(tmp_path.glob(".casemate-*"))


@pytest.mark.parametrize("part", ["manifest.json", "encryption.key", "store.sqlite"])
@pytest.mark.parametrize("where", ["head", "content"])
def test_a_backup_with_a_flipped_bit_is_refused_and_touches_nothing(saved, part, where):
    data, archive = saved
    with tarfile.open(archive) as tar:
        entry = tar.getmember(part)
    content = bytearray(archive.read_bytes())
    content[entry.offset if where == "head" else entry.offset_data] ^= 0x01
    archive.write_bytes(content)

    with pytest.raises(BackupRefused):
        restore(archive, data, replace=True)

    assert len(values(data / "store.sqlite", SECRETS)) == 3


def test_half_a_backup_and_no_backup_are_refused(saved, tmp_path):
    _, archive = saved
    whole = archive.read_bytes()
    for name, content in (
        ("half", whole[: len(whole) // 2]),
        ("none", b"x" * 10_000),
        ("empty", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BackupRefused):
            restore(tmp_path / name, tmp_path / "new")
    with pytest.raises(BackupRefused):
        restore(tmp_path / "absent", tmp_path / "new")

    assert not (tmp_path / "new" / "store.sqlite").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_an_archive_cannot_write_outside_or_read_through_links(saved, tmp_path, kind):
    _, archive = saved
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json").read()
    with tarfile.open(tmp_path / "evil", "w") as tar:
        head = tarfile.TarInfo("manifest.json")
        head.size = len(manifest)
        tar.addfile(head, io.BytesIO(manifest))
        for name in ("store.sqlite", "../../escaped"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)

    with pytest.raises(BackupRefused):
        restore(tmp_path / "evil", tmp_path / "deep" / "new")

    assert not list(tmp_path.rglob("escaped"))


def test_a_manifest_that_lies_is_refused(saved, tmp_path):
    _, archive = saved
    with tarfile.open(archive) as tar:
        parts = {each.name: tar.extractfile(each).read() for each in tar}
    manifest = json.loads(parts["manifest.json"])
    for number, lie in enumerate(({"objects": 9}, {"revision": 1}, {"format": 2}, {"files": {}})):
        parts["manifest.json"] = json.dumps(manifest | lie).encode()
        with tarfile.open(tmp_path / f"lie{number}", "w") as tar:
            for name, content in parts.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))

        with pytest.raises(BackupRefused):
            restore(tmp_path / f"lie{number}", tmp_path / "new")


def test_a_directory_without_a_store_has_no_backup(tmp_path):
    with pytest.raises(BackupRefused, match="has no store"):
        backup(tmp_path, tmp_path / "b")


def fill_one_more(data) -> None:
    async def use(store: Store) -> None:
        key = a_key("lost", SECRETS)
        await store.create(key, an_object(key))
        assert store.list(CONFIG_MAPS).items == ()

    with_store(data / "store.sqlite", use)
