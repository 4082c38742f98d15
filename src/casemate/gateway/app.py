"""The gateway process: opens its sockets, follows the engine's snapshots, ends with the engine.

Started as `python -m casemate.gateway --control-fd N --listen 127.0.0.1:0`. SIGTERM drains: no new
connections, answers in progress are finished within a bound. The process holds public keys only.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import uvloop

from casemate.gateway.client import ClientConnection
from casemate.gateway.control import ControlChannel
from casemate.gateway.core import Gateway
from casemate.gateway.limits import Limits
from casemate.gateway.metrics import MetricsConnection, metrics_registry
from casemate.telemetry import configure, logger

_BACKLOG = 1024
_SPARE_DESCRIPTORS = 64


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line that the engine writes."""
    parser = argparse.ArgumentParser(prog="casemate.gateway", description=__doc__)
    parser.add_argument("--control-fd", type=int, required=True, help="inherited stream socket")
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0))
    parser.add_argument("--metrics", type=_address, default=("127.0.0.1", 0))
    parser.add_argument("--host", action="append", default=[], help="further name to answer to")
    parser.add_argument("--limit", action="append", default=[], help="NAME=NUMBER, see limits.py")
    parser.add_argument("--access-log", action="store_true", help="one line per request")
    parser.add_argument("--log-level", default="info", help="refusals are told at info")
    return parser.parse_args(arguments)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError("expected HOST:PORT")
    return host.strip("[]"), int(port)


def raise_descriptor_limit(limits: Limits) -> int:
    """Allow as many descriptors as the system does; returns how many connections fit in them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * limits.connections + _SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, (max(soft, allowed) - _SPARE_DESCRIPTORS) // 2)


async def serve(options: argparse.Namespace, limits: Limits, log: Any) -> None:
    """Run until the engine is gone or a signal has been obeyed."""
    loop = asyncio.get_running_loop()
    gateway = Gateway(
        limits,
        loop,
        log,
        logs_access=options.access_log,
        hosts=frozenset(host.lower().encode() for host in options.host),
    )
    over = asyncio.Event()
    control_socket = socket.socket(fileno=options.control_fd)
    control_socket.setblocking(False)  # noqa: FBT003  # the standard library's signature
    _, control = await loop.create_connection(
        lambda: ControlChannel(gateway, log, over.set), sock=control_socket
    )
    registry = metrics_registry(gateway)
    doors = [
        await loop.create_server(
            lambda: ClientConnection(gateway), *options.listen, backlog=_BACKLOG
        ),
        await loop.create_server(lambda: MetricsConnection(registry), *options.metrics),
    ]
    public, metrics = (f"{host}:{port}" for host, port in map(_bound_address, doors))
    control.say(listening=public, metrics=metrics)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _start_drain, gateway, doors[0], over)
    sweeper = loop.create_task(_sweep(gateway))
    await over.wait()
    sweeper.cancel()


def _bound_address(server: asyncio.Server) -> tuple[str, int]:
    host, port = server.sockets[0].getsockname()[:2]
    return (f"[{host}]" if ":" in host else host), port


def _start_drain(gateway: Gateway, door: asyncio.Server, over: asyncio.Event) -> None:
    """Stop accepting; end once nobody is left or the time is up."""
    door.close()
    gateway.drain()
    loop, deadline = gateway.loop, gateway.loop.time() + gateway.limits.drain_seconds

    def check() -> None:
        if not gateway.clients or loop.time() >= deadline:
            over.set()
        else:
            loop.call_later(gateway.limits.sweep_seconds, check)

    check()


async def _sweep(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(gateway.limits.sweep_seconds)
        try:
            gateway.sweep()
        except Exception as error:  # noqa: BLE001  # one bad connection must not end all deadlines
            gateway.report_failure("sweep", error)


def main(arguments: Sequence[str]) -> int:
    """Run the gateway process."""
    options = parse_arguments(arguments)
    configure("json", level=options.log_level)
    limits = Limits().changed(options.limit)
    fitting = raise_descriptor_limit(limits)
    limits = replace(limits, connections=min(limits.connections, fitting))
    uvloop.run(serve(options, limits, logger("gateway")))
    return 0
