"""Makes a device node of its own."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import stat, tempfile

def main(event, context):
    def make():
        path = tempfile.mktemp()
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 1))
        os.unlink(path)
        return "made /dev/mem"
    return attempt(make)
"""


def test_handler_cannot_make_a_device_node(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
