"""Runs a set-uid program that it made itself."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import tempfile

def main(event, context):
    def check():
        flags = os.statvfs(tempfile.gettempdir()).f_flag
        return not flags & os.ST_NOSUID and "set-uid bits count in tmp"
    return attempt(check)
"""


def test_a_setuid_bit_in_tmp_gives_nothing(arena: Arena) -> None:
    arena.stops("python", PYTHON)
