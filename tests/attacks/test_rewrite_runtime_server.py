"""Changes the server that will load it next time."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    path = event["data"]["server_file"]
    def write():
        with open(path, "a"):
            return "opened for writing"
    return attempt(write)
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => fs.closeSync(fs.openSync(event.data.server_file, "a")) ?? "opened for writing"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_change_the_runtime_server(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
