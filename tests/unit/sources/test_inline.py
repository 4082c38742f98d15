"""Sources that lie at hand: a manifest's texts, or a folder."""

from __future__ import annotations

import os

import pytest

from casemate.api.catalogue import RUNTIMES
from casemate.sources.guard import SourceLimits, SourceRefused
from casemate.sources.inline import SourceMissing, folder_source, inline_source

PYTHON = RUNTIMES["python313"]


def test_a_manifests_texts_become_the_files_of_its_runtime():
    found = inline_source("x = 1", "requests==2\n", runtime=PYTHON)

    assert found.files == {"handler.py": b"x = 1", "requirements.txt": b"requests==2\n"}


def test_a_folder_is_read_to_its_depth_without_what_tools_leave_behind(tmp_path):
    for name in ("handler.py", "pkg/a.py", ".git/config", "node_modules/x.js", "__pycache__/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1")

    found = folder_source(tmp_path, runtime=PYTHON)

    assert set(found.files) == {"handler.py", "pkg/a.py"}


def test_a_link_in_a_folder_is_refused_not_followed(tmp_path):
    (tmp_path / "secret").write_text("PRIVATE KEY")
    source = tmp_path / "source"
    source.mkdir()
    (source / "handler.py").write_text("x = 1")
    (source / "helper.py").symlink_to(tmp_path / "secret")

    with pytest.raises(SourceRefused, match="link or a special file") as refused:
        folder_source(source, runtime=PYTHON)

    assert "PRIVATE KEY" not in str(refused.value)


def test_a_linked_folder_and_a_pipe_are_refused(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "handler.py").write_text("x = 1")
    (source / "etc").symlink_to("/etc")
    os.mkfifo(source / "pipe")

    with pytest.raises(SourceRefused) as refused:
        folder_source(source, runtime=PYTHON)

    assert {violation.path for violation in refused.value.violations} == {"etc", "pipe"}


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "handler.py").write_text("x = 1")
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(SourceRefused, match="larger than"):
        folder_source(tmp_path, runtime=PYTHON, limits=SourceLimits())


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(SourceMissing, match="cannot be read"):
        folder_source(tmp_path / "nowhere", runtime=PYTHON)
