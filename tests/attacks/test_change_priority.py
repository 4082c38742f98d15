"""Raises its own priority over everybody's."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: in_child(lambda: os.nice(-5) < 0 and "raised"))
"""

NODE = """\
module.exports = { main: () => attempt(() => require("os").setPriority(0, -5) ?? "raised") };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_raise_its_priority(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
