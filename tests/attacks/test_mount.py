"""Mounts a file system."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def mount():
        syscall("unshare", 0x10000000 | 0x00020000)
        return syscall("mount", b"none", b"/tmp", b"tmpfs", 0, 0) == 0 and "mounted"
    return attempt(lambda: in_child(mount))
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(
      () =>
        child_process.execFileSync("unshare", ["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"], {
          stdio: "pipe",
        }) && "mounted",
    ),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_mount(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
