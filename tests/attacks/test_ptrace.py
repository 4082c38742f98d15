"""Attaches to another process as a debugger."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
def main(event, context):
    def trace():
        child = os.fork()
        if child == 0:
            time.sleep(5)
            os._exit(0)
        try:
            return syscall("ptrace", 16, child, 0, 0) == 0 and "attached"
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return attempt(trace)
"""


def test_handler_cannot_trace_a_process(arena: Arena) -> None:
    arena.stops("python", PYTHON)
