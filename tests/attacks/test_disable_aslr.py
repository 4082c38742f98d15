"""Switches address randomisation off for its children."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    def switch():
        syscall("personality", 0x0040000)
        return ctypes.CDLL(None).personality(0xFFFFFFFF) & 0x0040000 and "switched off"
    return attempt(lambda: in_child(switch))
"""


def test_handler_cannot_switch_off_address_randomisation(arena: Arena) -> None:
    arena.stops("python", PYTHON)
