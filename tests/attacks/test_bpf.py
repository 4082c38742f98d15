"""Loads a program or map into the kernel."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import struct

def main(event, context):
    attributes = ctypes.create_string_buffer(struct.pack("5I", 2, 4, 4, 1, 0), 128)
    return attempt(lambda: syscall("bpf", 0, attributes, 128) >= 0 and "map made")
"""


def test_handler_cannot_call_bpf(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
