"""Opens /proc/sysrq-trigger, which can stop the machine."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY)) is None)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => fs.closeSync(fs.openSync("/proc/sysrq-trigger", fs.constants.O_WRONLY)) ?? "opened"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_open_sysrq_trigger(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
