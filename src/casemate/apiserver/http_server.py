"""TLS and HTTP around the application: uvicorn over httptools, with the bounds that it leaves open.

A head that is too large or a request that takes too long to arrive ends its connection; a verified
client certificate travels to the application as `casemate.certificate` (DER), never as a header.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from casemate.apiserver.app import App
from casemate.errors import Unavailable

LARGEST_HEAD_BYTES = 64 * 1024
# A request on loopback arrives at once; who takes longer holds a connection for its own sake.
REQUEST_SECONDS = 30.0
MOST_CONNECTIONS = 4000
_KEEP_ALIVE_SECONDS = 75
_DRAIN_SECONDS = 3
# What was begun is answered within this time, or not at all.
_ANSWER_SECONDS = 0.5
_VERSIONS = frozenset({"1.0", "1.1"})
_REFUSED_METHODS = frozenset({b"TRACE", b"CONNECT"})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class AddressTaken(Unavailable):
    """The address that the API was to listen on cannot be bound."""

    code = "AddressTaken"


class _Protocol(HttpToolsProtocol):
    """One connection: counts the bytes of a head and the seconds of a request."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # A fresh parser: uvicorn makes its own lenient towards bytes after the last request.
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None
        self._certificate: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # ATTACK: a head without end would grow until memory is gone; a body is bounded later.
        # tests/unit/apiserver/test_http_server.py
        room = LARGEST_HEAD_BYTES - self._head_bytes
        if not self._in_head or len(data) <= room:
            self._head_bytes += len(data) if self._in_head else 0
            super().data_received(data)
            return
        # What came at once may be a head and the begin of a body: read on where the head could end.
        self._head_bytes = LARGEST_HEAD_BYTES
        super().data_received(data[:room])
        if self.transport.is_closing():
            return
        if self._head_bytes == LARGEST_HEAD_BYTES:
            self.send_400_response("request head is too large")
        else:
            self.data_received(data[room:])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_deadline()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        # ATTACK: what two readers could cut apart or aim differently is read by none.
        # tests/unit/apiserver/test_http_server.py
        if self.parser.should_upgrade() or _is_doubtful(
            self.parser.get_method(), self.parser.get_http_version(), self.url, self.headers
        ):
            # llhttp stops here, and uvicorn answers 400 and closes.
            raise httptools.HttpParserError("doubtful request")
        self.scope["casemate.certificate"] = self._certificate  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._stop_deadline()
        super().on_message_complete()

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _is_doubtful(
    method: bytes, version: str, url: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> bool:
    """Whether a head that llhttp accepts is more than one plain request to this server."""
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if version not in _VERSIONS or method in _REFUSED_METHODS or not url.startswith(b"/"):
        return True
    if codings and (len(codings) > 1 or version != "1.1" or codings[0].lower() != b"chunked"):
        return True
    if not hosts:
        return version == "1.1"
    return len(hosts) > 1 or _HOST.fullmatch(hosts[0]) is None


class HttpServer:
    """The listening server: `start`, `close`; `address` is known in between."""

    def __init__(self, app: App, host: str, port: int, tls: ssl.SSLContext) -> None:
        self._host, self._port = host, port
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            # Every refused head would be a line: strangers must not write our log.
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            ssl_context_factory=lambda _config, _default: tls,
        )
        self._server = uvicorn.Server(config)
        self._loop: asyncio.Task[None] | None = None
        self._sockets: list[socket.socket] = []
        self.address = ("", 0)

    async def start(self) -> None:
        """Listen. Raises AddressTaken."""
        try:
            bound = socket.create_server((self._host, self._port), backlog=1024)
        except OSError as error:
            raise AddressTaken(
                f"the API cannot listen on {self._host}:{self._port}: {error.strerror}",
                hint="is another engine running? choose another: --api-listen",
            ) from error
        # asyncio sets it only on sockets whose protocol is named, which create_server leaves open;
        # accepted connections inherit it. Without it head and body of an answer are 40 ms apart.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.setblocking(False)  # noqa: FBT003  # takes it by position only
        self._sockets = [bound]
        self.address = bound.getsockname()[:2]
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=self._sockets)
        self._loop = asyncio.create_task(self._server.main_loop(), name="api-server")

    async def close(self) -> None:
        """Answer what was begun, end what streams, and close."""
        self._server.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
            state = self._server.server_state
            for bound in self._server.servers:
                bound.close()
            if state.tasks:
                await asyncio.wait(list(state.tasks), timeout=_ANSWER_SECONDS)
            for task in list(state.tasks):
                # Watches have no end of their own.
                task.cancel()
            if state.tasks:
                await asyncio.wait(list(state.tasks), timeout=_ANSWER_SECONDS)
            for connection in list(state.connections):
                # A caller who does not close his side would hold the engine up.
                connection.transport.abort()
            await self._server.shutdown(sockets=self._sockets)
