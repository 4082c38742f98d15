"""Talks to the hypervisor over AF_VSOCK, which no network namespace covers."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import socket

def main(event, context):
    return attempt(lambda: socket.socket(40, socket.SOCK_STREAM).close() is None)
"""


def test_handler_cannot_open_a_vsock(arena: Arena) -> None:
    arena.stops("python", PYTHON)
