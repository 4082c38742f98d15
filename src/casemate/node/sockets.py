"""The listening sockets of one worker, in a directory that only the node and the gateway can enter.

They are bound before the sandbox starts and outlive it, so that a request which arrives during a
start or a restart waits in the queue and does not fail. The sandbox gets descriptors, never a path:
it cannot reach this directory. The request socket is kept from instance to instance. The metrics
socket is new for each (same path), so that a probe is answered by the instance it asks about and
not by one that retires.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import stat
from typing import TYPE_CHECKING

from casemate.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

# sun_path holds 108 bytes with the final zero.
MAX_PATH_BYTES = 107
# What may wait while an instance starts: at 300 requests/s three seconds of them. The kernel cuts
# it to net.core.somaxconn.
BACKLOG = 1024
REQUEST_SOCKET = "http.sock"
METRICS_SOCKET = "metrics.sock"


class SocketPathTooLong(InvalidInput):
    """A unix socket's path has room for 107 bytes."""

    code = "SocketPathTooLong"


class SocketDirectoryUnusable(Unavailable):
    """The directory for a worker's sockets cannot be made ours."""

    code = "SocketDirectoryUnusable"


class WorkerSockets:
    """The request socket and the metrics socket of one worker."""

    def __init__(self, run_dir: Path, worker_id: str, *, gateway_gid: int | None = None) -> None:
        """`worker_id` is chosen by us, one path segment; `gateway_gid` may connect if given."""
        self._dir = run_dir / worker_id
        self._gateway_gid = gateway_gid
        self._dir_fd: int | None = None
        self._requests: socket.socket | None = None
        self.request_path = self._dir / REQUEST_SOCKET
        self.metrics_path = self._dir / METRICS_SOCKET
        length = len(os.fsencode(self.metrics_path))
        if length > MAX_PATH_BYTES:
            raise SocketPathTooLong(
                f"socket path {str(self.metrics_path)!r} has {length} bytes, {MAX_PATH_BYTES} fit",
                hint="set CASEMATE_RUN_DIR to a shorter path",
            )

    def open(self) -> None:
        """Make the directory and start to queue requests."""
        with contextlib.suppress(FileExistsError):
            self._dir.mkdir(mode=0o700, parents=False)
        fd = os.open(self._dir, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o007:
            os.close(fd)
            raise SocketDirectoryUnusable(
                f"directory {str(self._dir)!r} belongs to uid {status.st_uid}"
                f" with mode {stat.S_IMODE(status.st_mode):04o}",
                hint="remove it, or set CASEMATE_RUN_DIR to a directory of your own",
            )
        self._dir_fd = fd
        self._requests = self._bind(REQUEST_SOCKET)
        if self._gateway_gid is not None:
            os.fchown(fd, -1, self._gateway_gid)
            os.fchmod(fd, 0o710)

    def request_listener(self) -> socket.socket:
        """Return the request socket, made new if an instance has broken it."""
        # ATTACK: user code calls shutdown() or listen(fd, 0) on its descriptor of the shared
        # socket, so that its successor never gets a request.
        # tests/unit/node/test_sockets.py
        if self._requests is None or _is_shut_down(self._requests):
            self._close_requests()
            self._requests = self._bind(REQUEST_SOCKET)
        else:
            self._requests.listen(BACKLOG)
        return self._requests

    def new_metrics_listener(self) -> socket.socket:
        """Bind a metrics socket for the next instance; the caller closes it after handing it on."""
        return self._bind(METRICS_SOCKET)

    def refuse_requests(self) -> None:
        """Let go of what waits, and refuse new requests until an instance is started again."""
        self._close_requests()

    def has_waiting_requests(self) -> bool:
        """Tell whether a connection waits that no instance has accepted yet."""
        if self._requests is None or _is_shut_down(self._requests):
            return False
        return bool(_poll(self._requests, select.POLLIN))

    def close(self) -> None:
        """Stop queueing and leave nothing behind; safe to call twice."""
        self._close_requests()
        if self._dir_fd is not None:
            os.close(self._dir_fd)
            self._dir_fd = None
            shutil.rmtree(self._dir, ignore_errors=True)

    def _close_requests(self) -> None:
        if self._requests is not None:
            # An instance that still retires holds this socket too: shut down, it refuses at once.
            with contextlib.suppress(OSError):
                self._requests.shutdown(socket.SHUT_RDWR)
            self._requests.close()
            self._requests = None

    def _bind(self, name: str) -> socket.socket:
        if self._dir_fd is None:
            raise SocketDirectoryUnusable(f"sockets in {str(self._dir)!r} are closed")
        # Bound beside and renamed over: a client finds the old or the new one, never neither.
        fresh = f"{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=self._dir_fd)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # By descriptor: getsockname() inside the sandbox tells nothing about the host's paths.
            listener.bind(f"/proc/self/fd/{self._dir_fd}/{fresh}")
            if self._gateway_gid is None:
                os.chmod(fresh, 0o600, dir_fd=self._dir_fd)
            else:
                os.chown(fresh, -1, self._gateway_gid, dir_fd=self._dir_fd)
                os.chmod(fresh, 0o660, dir_fd=self._dir_fd)
            listener.listen(BACKLOG)
            os.rename(fresh, name, src_dir_fd=self._dir_fd, dst_dir_fd=self._dir_fd)
        except BaseException:
            listener.close()
            raise
        return listener


def _is_shut_down(listener: socket.socket) -> bool:
    return bool(_poll(listener, 0) & select.POLLHUP)


def _poll(listener: socket.socket, mask: int) -> int:
    poller = select.poll()
    poller.register(listener, mask)
    return next((found for _, found in poller.poll(0)), 0)
