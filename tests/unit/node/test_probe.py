"""Programs that are asked who they are, and those that are not even started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from casemate.node.probe import is_trusted_program, probe_node, probe_python


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "was-run"


@pytest.fixture
def program(tmp_path, marker):
    path = tmp_path / "python3.12"
    path.write_text(f"#!/bin/sh\ntouch {marker}\necho v24.0.0\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o644])
def test_a_program_that_others_can_write_is_not_run(program, marker, mode):
    program.chmod(mode)

    assert probe_node(program) is None
    assert not marker.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_program_of_somebody_else_is_not_run(program, marker):
    os.chown(program, 65534, 65534)

    assert probe_python(program) is None
    assert not marker.exists()


def test_a_program_of_ours_is_asked(program, marker):
    found = probe_node(program)

    assert found.version == "24.0.0"
    assert marker.exists()


def test_a_program_that_says_something_else_is_no_python(program):
    assert probe_python(program) is None


def test_the_tests_own_python_is_one():
    found = probe_python(Path(sys.executable).resolve())

    assert found.version == sys.version.split()[0]


def test_what_is_not_there_is_not_trusted(tmp_path):
    assert not is_trusted_program(tmp_path / "nothing")
