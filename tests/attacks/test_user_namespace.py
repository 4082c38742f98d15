"""Makes a user namespace, the door to most kernel bugs."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: in_child(lambda: syscall("unshare", 0x10000000) == 0 and "unshared"))
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => child_process.execFileSync("unshare", ["--user", "true"], { stdio: "pipe" }) && "unshared"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_make_a_user_namespace(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
