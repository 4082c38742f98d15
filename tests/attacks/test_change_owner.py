"""Gives a file to another user."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import tempfile

def main(event, context):
    def give():
        path = tempfile.mktemp()
        open(path, "w").close()
        try:
            os.chown(path, 0 if os.getuid() else 12345, 0)
        finally:
            os.unlink(path)
        return "given"
    return attempt(give)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => {
      const path = require("os").tmpdir() + "/gift-" + process.pid;
      fs.writeFileSync(path, "");
      try {
        fs.chownSync(path, process.getuid() ? 0 : 12345, 0);
      } finally {
        fs.unlinkSync(path);
      }
      return "given";
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_give_files_to_another_user(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
