"""Starts a shell, the first wish of every intruder."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import subprocess

def main(event, context):
    return attempt(lambda: subprocess.run(["/bin/sh", "-c", "echo shell"], capture_output=True).stdout)
"""

NODE = """\
module.exports = { main: () => attempt(() => String(child_process.execFileSync("/bin/sh", ["-c", "echo shell"]))) };
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_no_shell_to_start(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
