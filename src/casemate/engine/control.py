"""The engine's private door: one JSON object per line over a unix socket of its owner.

It stands in until the local Kubernetes API takes over; the command line uses nothing else. Only the
engine's own user and root are heard, by the kernel's word for who connected.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from casemate.errors import CasemateError, InvalidInput

_REQUEST_LIMIT_BYTES = 64 * 1024
_REQUEST_SECONDS = 10.0

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class UnknownOperation(InvalidInput):
    """A request that this engine does not know."""

    code = "UnknownOperation"


class ControlServer:
    """Answers requests with the operations it was given; closes with `close`."""

    def __init__(self, path: Path, operations: Mapping[str, Operation]) -> None:
        self._path = path
        self._operations = operations
        self._server: asyncio.Server | None = None
        self._log = structlog.get_logger("control")

    async def start(self) -> None:
        """Listen; the socket's mode keeps other users out before SO_PEERCRED does."""
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self._path), limit=_REQUEST_LIMIT_BYTES
            )
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _is_owner(writer.get_extra_info("socket")):
                return
            line = await asyncio.wait_for(reader.readuntil(b"\n"), _REQUEST_SECONDS)
            answer = await self._answer(line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            # The caller is gone or speaks another language: there is nobody to tell.
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            return await self._operation(request.pop("operation", None))(request)
        except CasemateError as error:
            return _fault(error.code, error.message, error.hint)
        except (AttributeError, ValueError, TypeError, KeyError) as error:
            return _fault("Invalid", f"unusable request: {type(error).__name__}", "")
        except Exception:  # noqa: BLE001  # the door stays open whatever one request did
            self._log.exception("control operation failed")
            return _fault("Internal", "the engine failed; its log says why", "")

    def _operation(self, name: object) -> Operation:
        if not isinstance(name, str) or name not in self._operations:
            raise UnknownOperation(f"unknown operation {name!r}")
        return self._operations[name]


def _fault(code: str, message: str, hint: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint}}


def _is_owner(connection: socket.socket) -> bool:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return uid in (0, os.geteuid())
