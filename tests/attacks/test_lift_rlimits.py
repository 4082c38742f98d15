"""Raises a hard limit on itself."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import resource

def main(event, context):
    def lift():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
        return "lifted"
    return attempt(lambda: in_child(lift))
"""


def test_handler_cannot_lift_its_limits(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
