"""Opens a raw packet socket."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import socket

def main(event, context):
    return attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close() is None)
"""


def test_handler_cannot_open_a_packet_socket(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
