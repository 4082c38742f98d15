"""Mounts through fsopen, which older filters forget."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: syscall("fsopen", b"tmpfs", 0) >= 0 and "fsopen works")
"""


def test_handler_cannot_use_the_new_mount_calls(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
