"""The checks of the house refuse what they are there to refuse."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.mark.parametrize(
    "title",
    ["gateway: reject tokens without audience", "Merge branch 'x'", "api, crd: one enum"],
)
def test_a_title_that_names_its_part_is_fine(title):
    assert runpy.run_path(str(SCRIPTS / "commit_title.py"))["trouble"](title) is None


@pytest.mark.parametrize("title", ["fixes", "Gateway: x y", "gateway: ends.", f"a: {'x' * 72}"])
def test_a_title_without_part_or_too_long_is_refused(title):
    assert runpy.run_path(str(SCRIPTS / "commit_title.py"))["trouble"](title)


@pytest.mark.parametrize(
    ("name", "text"),
    [("x.better.md", "a"), ("x.fixed.md", ""), ("x.fixed.md", "# head"), ("x.fixed.md", "y" * 601)],
)
def test_a_changelog_fragment_of_another_form_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)

    assert runpy.run_path(str(SCRIPTS / "changes.py"))["trouble"](tmp_path / name)


def test_every_fragment_of_the_repository_is_well_formed():
    module = runpy.run_path(str(SCRIPTS / "changes.py"))

    assert [
        module["trouble"](path) for path in module["fragments"]() if module["trouble"](path)
    ] == []
