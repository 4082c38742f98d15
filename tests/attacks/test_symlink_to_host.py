"""Reaches a host file through a link of its own making."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import tempfile

def main(event, context):
    def follow():
        link = tempfile.mktemp()
        os.symlink(event["data"]["key_file"], link)
        try:
            return open(link).read()
        finally:
            os.unlink(link)
    return attempt(follow)
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => {
      const link = require("os").tmpdir() + "/link-" + process.pid;
      fs.symlinkSync(event.data.key_file, link);
      try {
        return fs.readFileSync(link, "utf8");
      } finally {
        fs.unlinkSync(link);
      }
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_link_in_tmp_does_not_lead_to_the_host(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
