"""Reads the key that signs tokens, by its path on the host."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: open(event["data"]["key_file"]).read())
"""

NODE = """\
module.exports = { main: (event) => attempt(() => fs.readFileSync(event.data.key_file, "utf8")) };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_read_the_engines_signing_key(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
