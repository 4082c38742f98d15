"""Finds a secret in the environment it was started with."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.environ.get("CASEMATE_TEST_SECRET", ""))
"""

NODE = """\
module.exports = { main: () => attempt(() => process.env.CASEMATE_TEST_SECRET ?? "") };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_variable_of_the_engine_is_inherited(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
