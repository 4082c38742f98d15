"""Lists the engine's state directory on the host."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.listdir(event["data"]["state_dir"]))
"""

NODE = """\
module.exports = { main: (event) => attempt(() => fs.readdirSync(event.data.state_dir).join()) };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_list_the_engines_state_directory(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
