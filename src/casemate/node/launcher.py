"""The resident launcher: forks sandboxes, watches them end, and takes all of them down with it.

A process of its own, single-threaded and small, because it forks: an engine with threads and 60 MB
could not. It decides nothing. It trusts the engine on the other end of its socket and nobody else;
when that socket closes, for whatever reason, every sandbox is killed and every cgroup removed. A
second tiny process (the sweeper) does the same when the launcher itself is killed.
Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from casemate.node.cgroups import open_cgroups, remove_stale
from casemate.node.launch_order import (
    LARGEST_MESSAGE,
    ORDER_DESCRIPTORS,
    message_bytes,
    read_message,
    read_order,
)
from casemate.node.process_tree import family
from casemate.node.running_sandbox import RunningSandbox
from casemate.node.sandbox_birth import Builder, become_bwrap, prepare

if TYPE_CHECKING:
    from casemate.node.cgroups import LauncherCgroups

# Between two looks at memory where no cgroup bounds it, and at cgroups that the kernel still holds.
_TICK_SECONDS = 0.1
# A sandbox that nobody calls settled must not keep the CPU of its start.
_LONGEST_START_SECONDS = 10.0


class LauncherLoop:
    """One launcher: a socket to the engine, and the sandboxes."""

    def __init__(self, engine: socket.socket, builder: Builder, cgroups: LauncherCgroups) -> None:
        self._engine = engine
        self._builder = builder
        self._cgroups = cgroups
        self._bound_memory = "memory" in cgroups.bounded
        self._sandboxes: dict[int, RunningSandbox] = {}
        self._lingering: list[RunningSandbox] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(engine, selectors.EVENT_READ, self._hear_engine)
        self._open = True

    def run(self) -> None:
        """Serve until the engine is gone; then leave nothing behind."""
        self._tell(
            event="hello",
            pid=os.getpid(),
            group=self._cgroups.name,
            bounded=sorted(self._cgroups.bounded),
            versions=list(self._cgroups.versions),
            refusals=self._cgroups.refusals,
            root=os.geteuid() == 0,
        )
        try:
            while self._open:
                hear_ready(self._selector, self._selector.select(self._pause()))
                self._tick()
        finally:
            self._end_everything()

    def _pause(self) -> float | None:
        watched = not self._bound_memory and self._sandboxes
        starting = any(not one.settled for one in self._sandboxes.values())
        return _TICK_SECONDS if watched or starting or self._lingering else None

    def _hear_engine(self) -> None:
        try:
            raw, descriptors, _flags, _address = socket.recv_fds(
                self._engine, LARGEST_MESSAGE, ORDER_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except (ConnectionError, OSError):
            raw, descriptors = b"", []
        if not raw:
            self._open = False
            return
        message = read_message(raw)
        sandbox = self._sandboxes.get(message.get("id", -1))
        match message["op"]:
            case "launch":
                self._launch(message["id"], descriptors)
            case "signal" if sandbox is not None:
                sandbox.signal_program(message["number"])
            case "kill" if sandbox is not None:
                sandbox.kill()
            case "settle" if sandbox is not None:
                sandbox.settle()
            case _:
                # About a sandbox that is gone: its exit is on the way to the engine.
                return

    def _launch(self, number: int, descriptors: list[int]) -> None:
        began = time.monotonic()
        order_fd, *standard = descriptors
        with os.fdopen(order_fd, "rb") as file:
            order = read_order(file.read())
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            birth = prepare(order, (null, *standard))
        except (OSError, ValueError) as error:
            self._tell(event="failed", id=number, message=str(error))
            return
        try:
            cgroup = self._cgroups.make(f"s{number}", order.limits)
        except OSError as error:
            birth.close()
            os.close(birth.status_read)
            os.close(birth.block_write)
            self._tell(event="failed", id=number, message=f"cgroup: {error}")
            return
        if order.limits.start_cpu_millis > order.limits.cpu_millis:
            cgroup.set_cpu_millis(order.limits.start_cpu_millis)
        pid = os.fork()
        if pid == 0:
            become_bwrap(
                birth,
                order,
                self._builder,
                cgroup.join_files(),
                bound_memory=self._bound_memory,
            )
        birth.close()
        sandbox = RunningSandbox(number, pid, order.limits, cgroup, birth, began)
        self._sandboxes[number] = sandbox
        self._selector.register(
            sandbox.status_read, selectors.EVENT_READ, lambda: self._hear_bwrap(sandbox)
        )
        self._selector.register(sandbox.pidfd, selectors.EVENT_READ, lambda: self._bury(sandbox))

    def _hear_bwrap(self, sandbox: RunningSandbox) -> None:
        if not sandbox.read_status():
            self._selector.unregister(sandbox.status_read)
        if sandbox.init_pid is not None and not sandbox.released:
            sandbox.release()
            self._tell(
                event="started",
                id=sandbox.number,
                init_pid=sandbox.init_pid,
                seconds=time.monotonic() - sandbox.began,
            )

    def _bury(self, sandbox: RunningSandbox) -> None:
        self._selector.unregister(sandbox.pidfd)
        with contextlib.suppress(KeyError):
            self._selector.unregister(sandbox.status_read)
        ended = sandbox.reap()
        del self._sandboxes[sandbox.number]
        if not sandbox.cgroup.remove(attempts=1):
            self._lingering.append(sandbox)
        self._tell(event="exited", id=sandbox.number, **ended)

    def _tick(self) -> None:
        now = time.monotonic()
        for sandbox in list(self._sandboxes.values()):
            if not sandbox.settled and now - sandbox.began > _LONGEST_START_SECONDS:
                sandbox.settle()
            if not self._bound_memory:
                sandbox.kill_above_memory_limit()
        self._lingering = [one for one in self._lingering if not one.cgroup.remove(attempts=1)]

    def _tell(self, **fields: Any) -> None:
        try:
            self._engine.send(message_bytes(**fields))
        except OSError:
            self._open = False

    def _end_everything(self) -> None:
        for sandbox in self._sandboxes.values():
            sandbox.kill()
        self._cgroups.kill_all()
        for sandbox in self._sandboxes.values():
            sandbox.reap()
        self._cgroups.remove()


def hear_ready(
    selector: selectors.BaseSelector, ready: list[tuple[selectors.SelectorKey, int]]
) -> None:
    """Call what waits for each descriptor, unless a call before it has given that one up.

    A sandbox ends with two words at once, and the first one heard closes the other's descriptor.
    """
    for key, _events in ready:
        # The same number may stand for another file by now: the key itself must still be there.
        if selector.get_map().get(key.fd) is key:
            key.data()


def _start_sweeper(cgroups: LauncherCgroups, engine: socket.socket) -> tuple[int, int]:
    """Fork a process that outlives a killed launcher just long enough to clean up after it."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(read_end)
        return pid, write_end
    try:
        os.close(write_end)
        # Held here, it would hide the launcher's death from the engine.
        engine.close()
        os.read(read_end, 1)
        cgroups.kill_all()
        cgroups.remove()
    finally:
        os._exit(0)


def main() -> None:
    """Serve on the socket whose number is the first argument; bwrap's path is the second."""
    engine = socket.socket(fileno=int(sys.argv[1]))
    engine.set_inheritable(False)
    builder = Builder(sys.argv[2], sys.argv[3] or None)
    # A terminal's interrupt is for the engine, which drains; a hang-up ends the engine anyway.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
    remove_stale()
    cgroups = open_cgroups({os.getpid(), *family(os.getppid())})
    sweeper, lifeline = _start_sweeper(cgroups, engine)
    LauncherLoop(engine, builder, cgroups).run()
    os.close(lifeline)
    os.waitpid(sweeper, 0)


if __name__ == "__main__":
    main()
