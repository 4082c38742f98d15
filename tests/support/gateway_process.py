"""Runs the real gateway process and speaks to it over real sockets."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from casemate.identity.tokens import function_audience, mint
from support.tokens import ISSUER, KEY


def a_route(name: str = "hello", **changes: Any) -> dict[str, Any]:
    """One function of a snapshot, ready, private, without sockets."""
    namespace = changes.pop("namespace", "default")
    return {
        "namespace": namespace,
        "name": name,
        "audience": function_audience(ISSUER, namespace, name),
        "state": "ready",
        "sockets": [],
        "timeout_seconds": 5,
    } | changes


def a_snapshot(*functions: dict[str, Any], generation: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "generation": generation,
        "issuer": ISSUER,
        "jwks": KEY.public_jwks(),
        "functions": list(functions),
    } | changes


def fresh_token(name: str = "hello", namespace: str = "default", **changes: Any) -> str:
    """A token that is good now."""
    claims: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": function_audience(ISSUER, namespace, name),
        "subject": "alice",
        "client_id": "cli",
        "now": int(time.time()),
    }
    return mint(KEY, **(claims | changes))


class GatewayProcess:
    """`python -m casemate.gateway` with the engine's end of its control socket."""

    def __init__(self, log: Path, *options: str, **limits: float) -> None:
        self._generation = 0
        self.control, theirs = socket.socketpair()
        self.log = log
        settings = [f"--limit={name}={value}" for name, value in limits.items()]
        command = [sys.executable, "-m", "casemate.gateway"]
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, "--control-fd", str(theirs.fileno()), *options, *settings],
                pass_fds=[theirs.fileno()],
                stderr=stderr,
                stdin=subprocess.DEVNULL,
            )
        theirs.close()
        self.control.settimeout(10)
        self._lines = self.control.makefile("rb")
        hello = self.hear()
        self.port = int(hello["listening"].rpartition(":")[2])
        self.metrics_port = int(hello["metrics"].rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.control.close()
        if self.process.wait(timeout=10) != 0:
            raise AssertionError(self.log.read_text())

    def hear(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._lines.readline())
        return answer

    def tell(self, snapshot: dict[str, Any] | bytes) -> dict[str, Any]:
        line = snapshot if isinstance(snapshot, bytes) else json.dumps(snapshot).encode()
        self.control.sendall(line + b"\n")
        return self.hear_outcome()

    def hear_outcome(self) -> dict[str, Any]:
        """What became of a snapshot; what is told of Functions meanwhile is passed over."""
        while True:
            message = self.hear()
            if not message.keys() & {"active", "wake", "released"}:
                return message

    def publish(self, *functions: dict[str, Any]) -> None:
        self._generation += 1
        answer = self.tell(a_snapshot(*functions, generation=self._generation))
        assert answer["ack"] == self._generation

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(
        self,
        path: str = "/default/hello",
        *,
        method: str = "GET",
        token: str | None = "",
        body: Any = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """One request on a connection of its own; `token=""` mints a good one, None sends none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        fields = dict(headers or {})
        if token is not None:
            fields["Authorization"] = f"Bearer {token or fresh_token()}"
        try:
            connection.request(method, path, body=body, headers=fields, **options)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return everything until the gateway closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def metrics(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()


class Reply:
    """An answer, with lower-case header names."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        members: dict[str, Any] = json.loads(self.body)
        return members


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def statuses(received: bytes) -> list[int]:
    """The status codes of all answers in a stream."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
