"""The run directory is private and held by one engine."""

from __future__ import annotations

import os

import pytest

from casemate.engine.run_dir import EngineAlreadyRuns, UnsafeRunDir, open_run_dir


def test_a_second_engine_is_refused_until_the_first_closes(tmp_path):
    first = open_run_dir(tmp_path / "run")
    with pytest.raises(EngineAlreadyRuns):
        open_run_dir(tmp_path / "run")

    first.close()

    open_run_dir(tmp_path / "run").close()


def test_the_directory_is_closed_to_others_even_if_it_was_open(tmp_path):
    (tmp_path / "run").mkdir(mode=0o777)
    (tmp_path / "run").chmod(0o777)

    opened = open_run_dir(tmp_path / "run")

    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    opened.close()


def test_a_link_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnsafeRunDir):
        open_run_dir(tmp_path / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    os.chown(tmp_path / "run", 65534, 65534)

    with pytest.raises(UnsafeRunDir):
        open_run_dir(tmp_path / "run")


def test_what_a_dead_engine_left_is_removed(tmp_path):
    left = open_run_dir(tmp_path / "run")
    (left.sockets / "old").mkdir()
    left.write_kubeconfig("{}")
    os.close(left._lock_fd)

    opened = open_run_dir(tmp_path / "run")

    assert list(opened.sockets.iterdir()) == []
    assert not opened.kubeconfig.exists()
    opened.close()
