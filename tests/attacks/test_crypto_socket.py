"""Opens an AF_ALG socket, a rich source of kernel bugs."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import socket

def main(event, context):
    return attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET).close() is None)
"""


def test_handler_cannot_open_a_kernel_crypto_socket(arena: Arena) -> None:
    arena.stops("python", PYTHON)
