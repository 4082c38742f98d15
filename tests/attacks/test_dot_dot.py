"""Climbs above its root with many `..`."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: open("/app/function" + "/.." * 40 + event["data"]["key_file"]).read()
                   if os.path.isdir("/app/function")
                   else open(os.getcwd() + "/.." * 40 + event["data"]["key_file"]).read())
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => fs.readFileSync(process.cwd() + "/..".repeat(40) + event.data.key_file, "utf8")),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_climbing_above_the_root_stays_inside(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
