"""Reads another process's environment, where secrets often are."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: b"HOME" in open(f"/proc/{event['data']['engine_pid']}/environ", "rb").read() and "environment read")
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => fs.readFileSync(`/proc/${event.data.engine_pid}/environ`, "latin1").includes("HOME") && "read"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_read_the_engines_environment(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
