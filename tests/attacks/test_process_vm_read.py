"""Copies memory out of another process."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    buffer = ctypes.create_string_buffer(8)
    class Iov(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
    iov = Iov(ctypes.addressof(buffer), 8)
    return attempt(lambda: syscall("process_vm_readv", os.getpid(), ctypes.byref(iov), 1, ctypes.byref(iov), 1, 0) == 8 and "copied")
"""


def test_handler_cannot_read_another_processs_memory(arena: Arena) -> None:
    arena.stops("python", PYTHON)
