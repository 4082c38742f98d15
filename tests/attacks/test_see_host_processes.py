"""Finds the engine among the host's processes."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def look():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = open(f"/proc/{pid}/cmdline", "rb").read()
            except OSError:
                continue
            if event["data"]["engine_marker"].encode() in line:
                return f"engine is {pid}"
        return ""
    return attempt(look)
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => {
      for (const pid of fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name))) {
        let line = "";
        try {
          line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1");
        } catch {
          continue;
        }
        if (line.includes(event.data.engine_marker)) return `engine is ${pid}`;
      }
      return "";
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_sees_no_process_of_the_host(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
