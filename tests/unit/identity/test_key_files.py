from __future__ import annotations

import os
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from casemate.identity.key_files import UnusableKeyFile, load_signing_key, save_signing_key
from casemate.identity.keys import SigningKey


def test_saved_key_comes_back_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = SigningKey.generate()
    path = tmp_path / "key.pem"

    save_signing_key(key, path)

    assert load_signing_key(path).kid == key.kid
    assert path.stat().st_mode & 0o777 == 0o600


def test_saving_never_replaces_a_file_or_follows_a_link(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    link = tmp_path / "key.pem"
    link.symlink_to(target)

    with pytest.raises(FileExistsError):
        save_signing_key(SigningKey.generate(), link)

    assert not target.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    save_signing_key(SigningKey.generate(), path)
    path.chmod(mode)

    with pytest.raises(UnusableKeyFile, match="open to others"):
        load_signing_key(path)


def test_pipe_in_place_of_a_key_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    os.mkfifo(path, 0o600)

    with pytest.raises(UnusableKeyFile, match="not a regular file"):
        load_signing_key(path)


@pytest.mark.parametrize(
    "contents", [b"", b"not a key", RSAKey.generate_key(2048).as_pem(private=True)]
)
def test_file_without_a_private_ec_key_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(contents)

    with pytest.raises(UnusableKeyFile, match="holds no private EC key"):
        load_signing_key(path)
