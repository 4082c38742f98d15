"""Starts the gateway's process and keeps its route table equal to ours.

The gateway is a process of its own: it parses what strangers send, so it holds no signing key and
no launcher. What it knows arrives as whole snapshots, newest wins; a gateway that dies is started
again on the same address with the last snapshot.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from casemate.errors import Internal, InvalidInput, Unavailable

START_SECONDS = 10.0
ACK_SECONDS = 5.0
RESTART_SECONDS = 0.5
_STOP_SECONDS = 3.0
_LINE_LIMIT_BYTES = 1024 * 1024


class GatewayFailed(Unavailable):
    """The gateway's process did not come up, or does not answer."""

    code = "GatewayFailed"


class InvalidGatewayAddress(InvalidInput):
    """The address that the gateway was to listen on is none, or none that is safe without TLS."""

    code = "InvalidGatewayAddress"


class GatewayLink:
    """The engine's end of the gateway: `start`, `publish` snapshots, `close`."""

    def __init__(self, listen: str = "127.0.0.1:0", *, log_level: str = "warning") -> None:
        """Raises InvalidGatewayAddress."""
        self._listen = _loopback(listen)
        self._log_level = log_level
        self._log = structlog.get_logger("gateway-link")
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._watch: asyncio.Task[None] | None = None
        self._acks = asyncio.Condition()
        self._acked = -1
        self._busy: set[str] = set()
        self._snapshot: dict[str, Any] | None = None
        self._on_wake: Callable[[str], None] = lambda _key: None
        self._on_active: Callable[[Sequence[str]], None] = lambda _keys: None
        self.address = ""
        self.metrics_address = ""

    async def start(self) -> None:
        """Start the process; `address` is known afterwards. Raises GatewayFailed."""
        reader = await self._spawn()
        # A restart must come back where callers look for it, not on another free port.
        self._listen = self.address
        self._watch = asyncio.create_task(self._supervise(reader), name="gateway-link")

    async def publish(self, snapshot: dict[str, Any]) -> None:
        """Send a snapshot (with its `generation`) and wait until the gateway serves by it."""
        self._snapshot = snapshot
        self._send(snapshot)
        try:
            async with asyncio.timeout(ACK_SECONDS), self._acks:
                await self._acks.wait_for(lambda: self._acked >= snapshot["generation"])
        except TimeoutError as error:
            raise GatewayFailed(
                f"the gateway did not take over routes {snapshot['generation']} in time"
            ) from error

    def listen(
        self, on_wake: Callable[[str], None], on_active: Callable[[Sequence[str]], None]
    ) -> None:
        """Tell which idle Function (`namespace/name`) is wanted, and which were asked of late."""
        self._on_wake, self._on_active = on_wake, on_active

    async def released(self, socket_path: str, seconds: float) -> None:
        """Return when no request is under way on a socket that the last snapshot left out.

        At the latest after `seconds`: a stream without end must not keep old code for ever.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._acks:
                await self._acks.wait_for(lambda: socket_path not in self._busy)

    async def close(self) -> None:
        """End the gateway: it stops when its control descriptor closes."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._writer is not None:
            self._writer.close()
        if self._process is not None and self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    async def _spawn(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "casemate.gateway",
                "--control-fd",
                str(theirs.fileno()),
                "--listen",
                self._listen,
                "--log-level",
                self._log_level,
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", "")},
            )
        reader, self._writer = await asyncio.open_unix_connection(
            sock=ours, limit=_LINE_LIMIT_BYTES
        )
        try:
            hello = json.loads(await asyncio.wait_for(reader.readline(), START_SECONDS))
            self.address, self.metrics_address = hello["listening"], hello.get("metrics", "")
        except (TimeoutError, ValueError, KeyError) as error:
            if self._process.returncode is None:
                self._process.kill()
            raise GatewayFailed(
                f"the gateway did not start on {self._listen}",
                hint="is the port taken? choose another: --port",
            ) from error
        return reader

    async def _supervise(self, reader: asyncio.StreamReader) -> None:
        while True:
            await self._hear(reader)
            self._log.error("the gateway ended; starting it again")
            await asyncio.sleep(RESTART_SECONDS)
            try:
                reader = await self._spawn()
            except (GatewayFailed, OSError) as error:
                self._log.error("the gateway did not come back", cause=str(error))
                continue
            if self._snapshot is not None:
                self._send(self._snapshot)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "wake" in message:
                self._on_wake(message["wake"])
            elif "active" in message:
                self._on_active(message["active"])
            else:
                await self._note(message)
        async with self._acks:
            # With the process every request that it carried is over.
            self._busy.clear()
            self._acks.notify_all()

    async def _note(self, message: dict[str, Any]) -> None:
        async with self._acks:
            self._acked = message.get("ack", self._acked)
            self._busy.update(message.get("busy", ()))
            self._busy.discard(message.get("released", ""))
            self._acks.notify_all()

    def _send(self, snapshot: dict[str, Any]) -> None:
        if self._writer is None:
            raise Internal("publish before start")
        self._writer.write(json.dumps(snapshot, separators=(",", ":")).encode() + b"\n")


def _loopback(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    host = {"localhost": "127.0.0.1"}.get(host, host.removeprefix("[").removesuffix("]"))
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not colon or not port.isdigit():
        raise InvalidGatewayAddress(
            f"{listen!r} is no address to listen on", hint="write HOST:PORT, HOST an IP address"
        )
    # ATTACK: tokens that cross a network in plain text are read there and used.
    # tests/unit/engine/test_gateway_link.py
    if not address.is_loopback:
        raise InvalidGatewayAddress(
            f"{listen} can be reached from elsewhere, and the gateway has no TLS yet",
            hint="listen on 127.0.0.1 and put a proxy with TLS before it",
        )
    return listen
