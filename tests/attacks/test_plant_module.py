"""Puts a module beside its libraries, to be imported by others."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    path = event["data"]["base_layer"] + "/planted.py"
    return attempt(lambda: open(path, "w").write("x"))
"""

NODE = """\
module.exports = {
  main: (event) => attempt(() => fs.writeFileSync(event.data.base_layer + "/planted.js", "x") ?? "written"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_add_a_file_to_the_shared_base_layer(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
