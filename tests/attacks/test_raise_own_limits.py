"""Writes to the control group file system."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import glob

def main(event, context):
    def write():
        found = [p for p in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)][:1]
        os.close(os.open(found[0], os.O_WRONLY))
        return found[0]
    return attempt(write)
"""

NODE = """\
module.exports = {
  main: () =>
    attempt(() => {
      const parent = "/sys/fs/cgroup";
      const found = [parent, ...fs.readdirSync(parent).map((name) => parent + "/" + name)].find((folder) =>
        fs.existsSync(folder + "/cgroup.procs"),
      );
      fs.closeSync(fs.openSync(found + "/cgroup.procs", "a"));
      return found;
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_reach_its_control_group(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
