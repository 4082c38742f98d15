"""Opens a netlink socket: routing, firewall, audit."""

from __future__ import annotations

from support.attacks import Arena

PYTHON = """\
import socket, struct

def main(event, context):
    def bring_down():
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
            link.settimeout(2)
            # RTM_NEWLINK for a dummy interface: needs CAP_NET_ADMIN over this network namespace.
            body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH8s", 12, 3, b"casemat0")
            link.send(struct.pack("IHHII", 16 + len(body), 16, 5, 1, 0) + body)
            return struct.unpack_from("i", link.recv(4096), 16)[0] in (0, -17, -95) and "accepted"
    return attempt(bring_down)
"""


def test_handler_cannot_change_interfaces_by_netlink(arena: Arena) -> None:
    arena.stops("python", PYTHON, needs_root=True)
