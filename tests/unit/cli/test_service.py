"""The unit file of the service: every path is one word and nothing more."""

from __future__ import annotations

import shlex

import pytest

from casemate.cli.service import unit_path, unit_text
from casemate.errors import InvalidInput


def command_of(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("ExecStart="))


def test_the_unit_starts_the_engine_with_its_data_directory():
    text = unit_text(["--data-dir", "/srv/data"], as_root=True)

    words = shlex.split(command_of(text).removeprefix("ExecStart="))
    assert words[1:] == ["-I", "-m", "casemate.cli.main", "serve", "--data-dir", "/srv/data"]
    assert "WantedBy=multi-user.target" in text


@pytest.mark.parametrize(
    ("path", "written"),
    [("/a b", '"/a b"'), ("/50%", '"/50%%"'), ("/$HOME", '"/$$HOME"'), ('/"x', '"/\\"x"')],
)
def test_what_systemd_would_read_in_a_path_is_escaped(path, written):
    assert command_of(unit_text([path], as_root=False)).endswith(written)


def test_a_path_with_a_line_break_is_refused():
    with pytest.raises(InvalidInput):
        unit_text(["/a\nExecStartPre=/bin/sh"], as_root=True)


def test_an_ordinary_users_unit_lies_in_his_own_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert unit_path(as_root=False) == tmp_path / "systemd" / "user" / "casemate.service"
