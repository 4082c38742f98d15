"""Opens the interpreter's own file for writing."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import sys

def main(event, context):
    target = os.path.dirname(os.__file__) + "/planted.pth"
    return attempt(lambda: open(target, "w").write("x") and os.unlink(target) is None)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => {
      const target = require("path").dirname(process.execPath) + "/planted";
      fs.writeFileSync(target, "x");
      fs.unlinkSync(target);
      return "written";
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_open_the_interpreter_for_writing(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
