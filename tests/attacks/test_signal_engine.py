"""Sends a signal to a process of the host."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: os.kill(event["data"]["victim_pid"], 0) is None)
"""

NODE = """\
module.exports = { main: (event) => attempt(() => process.kill(event.data.victim_pid, 0) && "signalled") };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_signal_a_host_process(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
