"""Changes the machine's name."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import socket

def main(event, context):
    return attempt(lambda: socket.sethostname(socket.gethostname()) is None)
"""


def test_handler_cannot_change_the_hostname(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
