"""Reads what another Function left in /tmp."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: open(event["data"]["siblings_scratch"]).read())
"""

NODE = """\
module.exports = { main: (event) => attempt(() => fs.readFileSync(event.data.siblings_scratch, "utf8")) };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_scratch_space_is_not_shared_with_another_function(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
