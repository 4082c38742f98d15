"""Joins the namespace of another process."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    def join():
        fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
        return syscall("setns", fd, 0) == 0 and "joined"
    return attempt(lambda: in_child(join))
"""


def test_handler_cannot_join_a_namespace(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
