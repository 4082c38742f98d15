"""Opens the host's disk."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.close(os.open(event["data"]["block_device"], os.O_RDONLY)) is None)
"""

NODE = """\
module.exports = {
  main: (event) => attempt(() => fs.closeSync(fs.openSync(event.data.block_device, "r")) ?? "opened"),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_open_the_hosts_disk(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language], needs_root=True)
