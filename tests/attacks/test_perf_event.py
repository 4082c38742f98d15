"""Opens a performance counter, a side channel and a large surface."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import struct

def main(event, context):
    attributes = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0), 112)
    return attempt(lambda: syscall("perf_event_open", attributes, 0, -1, -1, 0) >= 0 and "opened")
"""


def test_handler_cannot_open_a_perf_event(arena: Arena) -> None:
    arena.stops("python", PYTHON)
