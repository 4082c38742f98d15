"""Reads the host's password hashes."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: open("/etc/shadow").read(20))
"""

NODE = """\
module.exports = { main: () => attempt(() => fs.readFileSync("/etc/shadow", "utf8").slice(0, 20)) };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_read_the_hosts_shadow_file(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
