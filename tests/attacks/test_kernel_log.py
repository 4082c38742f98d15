"""Reads the kernel's log."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def read():
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        return os.read(fd, 8192)[:20]
    return attempt(read)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => {
      const fd = fs.openSync("/dev/kmsg", fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      return fs.readSync(fd, Buffer.alloc(8192));
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_read_the_kernel_log(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
