"""The same through clone3, which filters cannot look into."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import struct

def main(event, context):
    def clone():
        arguments = struct.pack("8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
        buffer = ctypes.create_string_buffer(arguments, 64)
        pid = syscall("clone3", buffer, 64)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return "cloned"
    return attempt(lambda: in_child(clone))
"""


def test_clone3_does_not_make_a_namespace(arena: Arena) -> None:
    arena.stops("python", PYTHON)
