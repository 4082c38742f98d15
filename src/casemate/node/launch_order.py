"""The messages between engine and launcher, and the order that says how to build one sandbox.

Datagrams of JSON on a private socket pair; descriptors travel beside them. An order may be larger
than a datagram, so it travels in a memory file. Standard library only: the launcher loads this.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from casemate.node.sandbox_steps import HostPath, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

# Enough for any message; orders travel beside.
LARGEST_MESSAGE = 65536
# Order, stdout, stderr, requests, metrics, control.
ORDER_DESCRIPTORS = 6

Option = str | HostPath | bytes


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """One sandbox in the launcher's words: no decision is left."""

    name: str
    options: tuple[Option, ...]
    program: tuple[str, ...]
    limits: Limits
    host_uid: int | None
    host_gid: int | None
    seccomp_program: bytes | None


def order_bytes(order: LaunchOrder) -> bytes:
    """Write an order."""
    program = order.seccomp_program
    return json.dumps(
        {
            "name": order.name,
            "options": [_option_wire(option) for option in order.options],
            "program": order.program,
            "limits": asdict(order.limits),
            "host_uid": order.host_uid,
            "host_gid": order.host_gid,
            "seccomp_program": None if program is None else base64.b64encode(program).decode(),
        }
    ).encode()


def read_order(raw: bytes) -> LaunchOrder:
    """Read what `order_bytes` wrote."""
    wire: dict[str, Any] = json.loads(raw)
    program = wire["seccomp_program"]
    return LaunchOrder(
        name=wire["name"],
        options=tuple(_option(one) for one in wire["options"]),
        program=tuple(wire["program"]),
        limits=Limits(**wire["limits"]),
        host_uid=wire["host_uid"],
        host_gid=wire["host_gid"],
        seccomp_program=None if program is None else base64.b64decode(program),
    )


def _option_wire(option: Option) -> str | list[str]:
    match option:
        case HostPath():
            return ["open", option.path, option.sub_path]
        case bytes():
            return ["bytes", base64.b64encode(option).decode()]
        case _:
            return option


def _option(wire: str | list[str]) -> Option:
    match wire:
        case ["open", path, sub_path]:
            return HostPath(path, sub_path)
        case ["bytes", content]:
            return base64.b64decode(content)
        case _:
            return str(wire)


def memory_file(name: str, content: bytes) -> int:
    """Return a descriptor of an unnamed file that holds `content`, positioned at its start."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def message_bytes(**fields: Any) -> bytes:
    """Write one message."""
    return json.dumps(fields).encode()


def read_message(raw: bytes) -> dict[str, Any]:
    """Read one message."""
    message: dict[str, Any] = json.loads(raw)
    return message


def nul_separated(words: Sequence[str]) -> bytes:
    """Write words as bwrap reads them from `--args`."""
    # ATTACK: a NUL inside a value would begin a new option. tests/unit/node/test_launch_order.py
    if any("\0" in word for word in words):
        raise ValueError("an option of the sandbox holds a NUL byte")
    return b"".join(os.fsencode(word) + b"\0" for word in words)
