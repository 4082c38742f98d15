"""Leaves a file in a directory of the host."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    path = event["data"]["state_dir"] + "/planted-" + context["runtime"]
    return attempt(lambda: open(path, "w").write("x"))
"""

NODE = """\
module.exports = {
  main: (event, context) =>
    attempt(() => fs.writeFileSync(event.data.state_dir + "/planted-" + context.runtime, "x") ?? "written"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_write_to_a_host_directory(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
