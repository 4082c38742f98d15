"""Attaches a shared memory segment of the host."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: syscall("shmget", event["data"]["shm_key"], 0, 0) >= 0 and "found the segment")
"""


def test_handler_cannot_attach_shared_memory_of_the_host(arena: Arena) -> None:
    arena.stops("python", PYTHON)
