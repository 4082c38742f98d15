"""Sets the machine's clock."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    # A step of zero through adjtime: a privileged no-op outside, a refusal inside.
    buffer = ctypes.create_string_buffer(208)
    buffer[0:4] = (0x8001).to_bytes(4, "little")
    return attempt(lambda: syscall("clock_adjtime", 0, buffer) >= 0 and "adjusted")
"""


def test_handler_cannot_set_the_clock(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
