"""Opens a file by its inode, past every mount (the Shocker escape)."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    def open_handle():
        handle = ctypes.create_string_buffer(136)
        handle[0:4] = (128).to_bytes(4, "little")
        mount = ctypes.c_int()
        syscall("name_to_handle_at", -100, event["data"]["key_file"].encode(), handle, ctypes.byref(mount), 0)
        where = os.open("/", os.O_RDONLY)
        return syscall("open_by_handle_at", where, handle, 0) >= 0 and "opened"
    return attempt(open_handle)
"""


def test_handler_cannot_open_by_handle(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
