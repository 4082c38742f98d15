"""Asks the kernel for uid 0."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.setresuid(0, 0, 0) is None and os.getuid() == 0)
"""

NODE = """\
module.exports = { main: () => attempt(() => process.setuid(0) ?? process.getuid() === 0) };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_become_root(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
