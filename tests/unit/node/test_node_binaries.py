"""Node programs of the registry: the locked bytes, and only the program."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile

import pytest

from casemate.node.node_binaries import require_integrity, unpack_program
from casemate.node.runtime_errors import FetchFailed


def an_archive(path, **members: bytes | str):
    """Write a .tgz; a text member is a link to that text."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def test_the_locked_bytes_are_accepted(tmp_path):
    archive = tmp_path / "a.tgz"
    archive.write_bytes(b"node")

    require_integrity(archive, integrity(b"node"))


def test_an_archive_with_other_bytes_is_refused(tmp_path):
    archive = tmp_path / "a.tgz"
    archive.write_bytes(b"evil")

    with pytest.raises(FetchFailed, match="other bytes"):
        require_integrity(archive, integrity(b"node"))


def test_only_the_program_is_taken_out(tmp_path):
    archive = an_archive(
        tmp_path / "a.tgz", package__bin__node=b"\x7fELF", package____etc__x=b"evil"
    )

    program = unpack_program(archive, tmp_path / "node")

    assert program.read_bytes() == b"\x7fELF"
    assert {path.name for path in tmp_path.iterdir()} == {"a.tgz", "node"}


def test_a_link_in_place_of_the_program_is_refused(tmp_path):
    archive = an_archive(tmp_path / "a.tgz", package__bin__node="/etc/shadow")

    with pytest.raises(FetchFailed, match="holds no program"):
        unpack_program(archive, tmp_path / "node")
