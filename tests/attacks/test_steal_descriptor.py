"""Takes a descriptor out of another process."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    def steal():
        pidfd = os.pidfd_open(os.getpid())
        return syscall("pidfd_getfd", pidfd, 1, 0) >= 0 and "taken"
    return attempt(steal)
"""


def test_handler_cannot_take_a_descriptor_of_another_process(arena: Arena) -> None:
    arena.stops("python", PYTHON)
