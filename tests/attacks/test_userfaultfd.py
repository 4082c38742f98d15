"""Opens a userfaultfd, which makes kernel races easy to win."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: syscall("userfaultfd", 1) >= 0 and "opened")
"""


def test_handler_cannot_open_a_userfaultfd(arena: Arena) -> None:
    arena.stops("python", PYTHON)
