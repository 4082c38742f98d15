"""Opens the kernel's memory image."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def read():
        with open("/proc/kcore", "rb") as image:
            return image.read(4) == b"\\x7fELF" and "kernel memory"
    return attempt(read)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => {
      const fd = fs.openSync("/proc/kcore", "r");
      const bytes = Buffer.alloc(4);
      fs.readSync(fd, bytes);
      return bytes.toString("latin1").endsWith("ELF") && "kernel memory";
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_open_kcore(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
