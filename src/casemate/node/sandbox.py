"""One running sandbox as the engine holds it, and how it ended.

The three descriptors belong to whoever launched it. What comes out of them is the Function's text:
untrusted. Ending is asked for, and known only when `wait` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casemate.node.launch_order import message_bytes
from casemate.node.process_tree import program_pid

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

_SIGNAL_BASE = 128


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a sandbox ended, as the kernel and the cgroup saw it."""

    code: int
    """Exit code of the program; 128 + N when signal N ended it."""
    started: bool
    """False: the sandbox could not be built and the program never ran."""
    oom_killed: bool = False
    failure: str = ""
    """Why it could not be built, or that the launcher was lost; safe to show."""
    memory_peak_bytes: int | None = None
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None

    @property
    def signal(self) -> int | None:
        """The signal that ended the program, if one did."""
        number = self.code - _SIGNAL_BASE
        return number if number in {int(one) for one in signal.Signals} else None

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> ExitStatus:
        """Read the launcher's word."""
        return cls(**message)


class Sandbox:
    """One running sandbox; the caller owns the three descriptors and closes them by `close`."""

    def __init__(
        self,
        number: int,
        name: str,
        outputs: tuple[int, int],
        control: socket.socket,
        send: Callable[[bytes], None],
    ) -> None:
        self.id = number
        self.name = name
        self.init_pid = 0
        """Host pid of pid 1 of the sandbox."""
        self.stdout_fd, self.stderr_fd = outputs
        self.control = control
        """Stream socket, our end of descriptor 5; non-blocking."""
        self._send = send
        self._status: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._open = True

    @property
    def pid(self) -> int | None:
        """Host pid of the user's program; None before its first moment and after its last."""
        return None if self._status.done() else program_pid(self.init_pid)

    async def wait(self) -> ExitStatus:
        """Return when every process of the sandbox is gone; may be awaited by many."""
        return await asyncio.shield(self._status)

    async def signal(self, number: int) -> None:
        """Send a signal to the program, not to its children. One that is gone is fine."""
        self._send(message_bytes(op="signal", id=self.id, number=int(number)))

    async def settle(self) -> None:
        """Say that the start is over: from now on the CPU limit is the Function's own."""
        self._send(message_bytes(op="settle", id=self.id))

    async def kill(self) -> None:
        """End every process at once. A sandbox that is gone is fine."""
        self._send(message_bytes(op="kill", id=self.id))

    def ended(self, status: ExitStatus) -> None:
        """Take the launcher's word that this sandbox is gone."""
        if not self._status.done():
            self._status.set_result(status)

    def read_error_text(self, most_bytes: int) -> str:
        """Return what the builder wrote before it gave up; only for a sandbox that never ran."""
        with contextlib.suppress(OSError):
            return os.read(self.stderr_fd, most_bytes).decode(errors="replace").strip()
        return ""

    def close(self) -> None:
        """Close our descriptors; does not end the sandbox."""
        if self._open:
            self._open = False
            os.close(self.stdout_fd)
            os.close(self.stderr_fd)
            self.control.close()
