"""Opens the kernel's core pattern for writing: the classic way to run a program on the host."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)) is None)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => fs.closeSync(fs.openSync("/proc/sys/kernel/core_pattern", fs.constants.O_WRONLY)) ?? "opened"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_open_core_pattern_for_writing(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
