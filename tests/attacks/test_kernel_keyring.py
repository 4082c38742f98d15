"""Stores a key in the kernel's keyring, shared beyond the Pod."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: syscall("add_key", b"user", b"casemate", b"x", 1, -3) > 0 and "key stored")
"""


def test_handler_cannot_use_the_kernel_keyring(arena: Arena) -> None:
    arena.stops("python", PYTHON)
