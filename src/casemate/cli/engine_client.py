"""Speaks to the running engine over its control socket. Standard library only, to start quickly."""

from __future__ import annotations

import json
import socket
import stat
from typing import Any

from casemate.errors import CasemateError, Internal, NotFound, Unavailable
from casemate.settings import read_settings

_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_ANSWER_SECONDS = 10.0


class NoEngine(Unavailable):
    """No engine of this user answers on this machine."""

    code = "NoEngine"


class EngineRefused(CasemateError):
    """The engine understood and said no."""

    code = "EngineRefused"
    exit_code = 1


def ask_engine(operation: str, **arguments: Any) -> dict[str, Any]:
    """Send one request and return the answer.

    Raises NoEngine when none runs, NotFound or EngineRefused with the engine's own words.
    """
    path = read_settings().run_dir / "control.sock"
    try:
        # ATTACK: another user may have put a socket of his own at this path in a shared /tmp and
        # would receive what we send. tests/unit/cli/test_engine_client.py
        if path.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NoEngine(f"{path.parent} is writable by others", hint=f"chmod 700 {path.parent}")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(path))
            request = {"operation": operation, **arguments}
            connection.sendall(json.dumps(request).encode() + b"\n")
            raw = _read_line(connection)
    except (FileNotFoundError, ConnectionError) as error:
        raise NoEngine(
            "no engine is running here", hint="start one in another terminal: casemate run PATH"
        ) from error
    except TimeoutError as error:
        raise NoEngine("the engine did not answer in time", hint="is it under load?") from error
    answer: dict[str, Any] = json.loads(raw)
    if "error" in answer:
        raise _error(answer["error"])
    return answer


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("the engine closed the connection")
        received += part
        if len(received) > _ANSWER_LIMIT_BYTES:
            raise Internal("the engine's answer is larger than 16 MiB")
    return bytes(received)


def _error(fault: dict[str, str]) -> CasemateError:
    kind = NotFound if fault.get("code") == "NotFound" else EngineRefused
    return kind(fault.get("message", "refused"), hint=fault.get("hint", ""))
