"""Walks out through the engine's /proc/PID/root."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: open(f"/proc/{event['data']['engine_pid']}/root" + event["data"]["key_file"]).read())
"""

NODE = """\
module.exports = {
  main: (event) => attempt(() => fs.readFileSync(`/proc/${event.data.engine_pid}/root` + event.data.key_file, "utf8")),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_walk_out_through_proc_root(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
