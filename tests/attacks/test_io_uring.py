"""Opens an io_uring, which acts beside seccomp."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    parameters = ctypes.create_string_buffer(120)
    return attempt(lambda: syscall("io_uring_setup", 4, parameters) >= 0 and "ring made")
"""


def test_handler_cannot_open_an_io_uring(arena: Arena) -> None:
    arena.stops("python", PYTHON)
