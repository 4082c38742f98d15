"""Reads a descriptor that its parent forgot to close."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def look():
        for name in os.listdir("/proc/self/fd"):
            try:
                if event["data"]["forgotten_file"] in os.readlink(f"/proc/self/fd/{name}"):
                    return f"descriptor {name}"
            except OSError:
                continue
        return ""
    return attempt(look)
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => {
      for (const name of fs.readdirSync("/proc/self/fd")) {
        try {
          if (fs.readlinkSync("/proc/self/fd/" + name).includes(event.data.forgotten_file)) return name;
        } catch {
          continue;
        }
      }
      return "";
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_descriptor_of_the_engine_is_inherited(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
