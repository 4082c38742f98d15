"""Changes its own source, to stay after the next start."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    path = os.path.dirname(os.path.abspath(__file__)) + "/handler.py"
    return attempt(lambda: open(path, "a").write("# x"))
"""

NODE = """\
module.exports = { main: () => attempt(() => fs.appendFileSync(__filename, "// x") ?? "written") };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_change_its_own_source(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
