"""Changes its root, the first step of an old escape."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    return attempt(lambda: in_child(lambda: os.chroot("/tmp") is None and "chrooted"))
"""


def test_handler_cannot_chroot(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
