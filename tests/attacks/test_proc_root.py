"""Walks out through /proc/1/root."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: open("/proc/1/root" + event["data"]["key_file"]).read())
"""

NODE = """\
module.exports = {
  main: (event) => attempt(() => fs.readFileSync("/proc/1/root" + event.data.key_file, "utf8")),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_pid_1s_root_is_not_the_hosts_root(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
