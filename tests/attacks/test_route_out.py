"""Looks for any way out of its network."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def look():
        routes = open("/proc/net/route").read().splitlines()[1:]
        return [line.split()[0] for line in routes] or ""
    return attempt(look)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => {
      const names = Object.keys(require("os").networkInterfaces());
      return names.filter((name) => name !== "lo").join();
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_has_no_route_and_no_interface_but_loopback(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
