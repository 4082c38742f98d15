"""The inherited socket to the engine: snapshots come in, acknowledgements and wishes go out.

Nothing else is read from it and nobody else can reach it. A snapshot that cannot be used is
rejected by number and the last good one stays; the end of the stream means that the engine is gone,
and so must be the gateway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from casemate.errors import CasemateError
from casemate.gateway.routes import parse_snapshot

if TYPE_CHECKING:
    from casemate.gateway.core import Gateway

# 10,000 Functions take about 4 MB.
MAX_LINE_BYTES = 64 * 1024 * 1024


class ControlChannel(asyncio.Protocol):
    """Reads snapshots into the gateway until the engine closes."""

    def __init__(self, gateway: Gateway, log: Any, on_end: Callable[[], None]) -> None:
        self._gateway = gateway
        self._log = log
        self._on_end = on_end
        self._pieces: list[bytes] = []
        self._held_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._gateway.signals.attach(self.say)

    def data_received(self, received: bytes) -> None:
        """Take every complete line."""
        *lines, rest = received.split(b"\n")
        for line in lines:
            whole = b"".join((*self._pieces, line))
            self._pieces, self._held_bytes = [], 0
            if whole:
                self._take(whole)
        self._pieces.append(rest)
        self._held_bytes += len(rest)
        if self._held_bytes > MAX_LINE_BYTES:
            self._log.error("control line too long")
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """End with the engine."""
        self._on_end()

    def say(self, **members: Any) -> None:
        """Send one line."""
        self._transport.write(json.dumps(members, separators=(",", ":")).encode() + b"\n")

    def _take(self, line: bytes) -> None:
        try:
            table = parse_snapshot(line)
        except CasemateError as error:
            self._log.error("snapshot rejected", code=error.code, message=error.message)
            self.say(rejected=error.code, message=error.message)
            return
        self._gateway.swap(table)
        # The engine ends an instance only when nothing is under way on its socket any more.
        busy = self._gateway.signals.take_busy()
        self.say(ack=table.generation, **({"busy": busy} if busy else {}))
