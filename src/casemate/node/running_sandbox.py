"""One sandbox as the launcher holds it: from bwrap's first word to the last counter read.

bwrap says when its namespaces exist, then waits. In that pause the bounds are set that need a
finished user namespace; only then does the program start. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from typing import TYPE_CHECKING, Any

from casemate.node.process_tree import family, program_pid, resident_bytes

if TYPE_CHECKING:
    from casemate.node.cgroups import SandboxCgroup
    from casemate.node.sandbox_birth import Birth
    from casemate.node.sandbox_steps import Limits

_SIGNAL_BASE = 128
_STATUS_BYTES = 65536
# bwrap's own pid 1 counts as the user's.
_INIT_PROCESSES = 1


class RunningSandbox:
    """The processes, cgroup and descriptors of one sandbox."""

    def __init__(  # called once, where all of it was just made
        self,
        number: int,
        pid: int,
        limits: Limits,
        cgroup: SandboxCgroup,
        birth: Birth,
        began: float,
    ) -> None:
        self.number = number
        self.cgroup = cgroup
        self.began = began
        self.pidfd = os.pidfd_open(pid)
        self.status_read = birth.status_read
        self.init_pid: int | None = None
        self.released = False
        self.settled = limits.start_cpu_millis <= limits.cpu_millis
        self._pid = pid
        self._init_pidfd: int | None = None
        self._limits = limits
        self._block_write = birth.block_write
        self._status = b""
        self._exit_code: int | None = None
        self._over_memory = False

    def read_status(self) -> bool:
        """Take in what bwrap says; False when it will say nothing more."""
        try:
            read = os.read(self.status_read, _STATUS_BYTES)
        except BlockingIOError:
            return True
        self._status += read
        *lines, self._status = self._status.split(b"\n")
        for line in lines:
            word: dict[str, Any] = json.loads(line) if line.strip() else {}
            if "child-pid" in word and self.init_pid is None:
                self._meet_init(int(word["child-pid"]))
            if "exit-code" in word:
                self._exit_code = int(word["exit-code"])
        return bool(read)

    def _meet_init(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            # Until we reap its parent this number cannot be anybody else's.
            self._init_pidfd = os.pidfd_open(pid)
            self.init_pid = pid

    def release(self) -> None:
        """Set the bounds that count per user namespace, then let the program start."""
        if self.init_pid is not None:
            # Counted from here on for this user namespace alone, so that other processes of the
            # same user do not matter. tests/unit/node/test_launch_limits.py
            bound = self._limits.processes + _INIT_PROCESSES
            hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            try:
                resource.prlimit(self.init_pid, resource.RLIMIT_NPROC, (bound, bound))
            except ProcessLookupError:
                return
            except PermissionError:
                # Root without CAP_SYS_RESOURCE (some containers). The pids cgroup binds alone;
                # without it nothing would, and the sandbox must not start.
                if not self.cgroup.bounds("pids"):
                    self.kill()
        self.released = True
        with contextlib.suppress(BrokenPipeError):
            os.write(self._block_write, b"1")
        os.close(self._block_write)
        self._block_write = -1

    def settle(self) -> None:
        """Take back the CPU that was lent for the start."""
        self.settled = True
        with contextlib.suppress(OSError):
            self.cgroup.set_cpu_millis(self._limits.cpu_millis)

    def signal_program(self, number: int) -> None:
        """Signal the user's program; its children are its own affair."""
        pid = program_pid(self.init_pid) if self.init_pid is not None else None
        if pid is not None and self.init_pid in _parents(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End every process: pid 1 takes its namespace along, the cgroup takes the rest."""
        for pidfd in (self._init_pidfd, self.pidfd):
            if pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        self.cgroup.kill()

    def kill_above_memory_limit(self) -> None:
        """Do by looking what no cgroup does here."""
        if self.init_pid is None:
            return
        if sum(map(resident_bytes, family(self.init_pid))) > self._limits.memory_bytes:
            self._over_memory = True
            self.kill()

    def reap(self) -> dict[str, Any]:
        """Collect the end of bwrap, which outlives every process of the sandbox; count, close."""
        _pid, wait_status = os.waitpid(self._pid, 0)
        # Also the last word of a bwrap that ended before it was heard.
        with contextlib.suppress(OSError, ValueError):
            self.read_status()
        self.cgroup.kill()
        usage = self.cgroup.usage()
        code = os.waitstatus_to_exitcode(wait_status)
        code = _SIGNAL_BASE - code if code < 0 else code
        if self._exit_code is not None:
            code = self._exit_code
        for descriptor in (self.pidfd, self.status_read, self._init_pidfd, self._block_write):
            if descriptor is not None and descriptor >= 0:
                os.close(descriptor)
        return {
            "code": code,
            "oom_killed": self._over_memory or usage.oom_kills > 0,
            "started": self.released,
            "memory_peak_bytes": usage.memory_peak_bytes,
            "cpu_seconds": usage.cpu_seconds,
            "throttled_seconds": usage.throttled_seconds,
        }


def _parents(pid: int) -> tuple[int, ...]:
    """Return the parent of a process, checked at the moment of use: a pid may come back."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return (int(file.read().rpartition(")")[2].split()[1]),)
    except OSError:
        return ()
