"""Gives a coming tool a network namespace with loopback only, and one door: a listening socket.

A socket belongs to the namespace that it was made in, whoever holds it. The tool connects to it as
to a proxy; the descriptor goes to the engine, which answers from outside. Nothing of ours has to
run inside. Standard library only; must run in a single-threaded process that becomes the tool.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

# On the tool's own loopback, where nothing else listens.
PROXY_PORT = 3128
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE = 4
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_libc = ctypes.CDLL(None, use_errno=True)


def leave_host_network() -> bool:
    """Take an empty network namespace with the rights that we have; False when they are too few."""
    return bool(_libc.unshare(_CLONE_NEWNET) == 0)


def leave_host_network_as_user() -> None:
    """The same through a user namespace in which we stay who we are; raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    # Whoever came from root may otherwise not write his own maps.
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")
    ):  # fmt: skip
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)


def hand_over_door(channel: int) -> None:
    """Listen on the new namespace's loopback and send the socket through `channel`."""
    with socket.socket(fileno=channel) as engine, socket.socket() as door:
        fcntl.ioctl(door, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
        door.bind(("127.0.0.1", PROXY_PORT))
        door.listen(64)
        socket.send_fds(engine, [b"d"], [door.fileno()])
