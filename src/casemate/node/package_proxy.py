"""The only way out of a package tool's network namespace: an HTTP proxy that knows the registries.

The listening socket was made inside of the namespace and handed to us, so nothing has to run in
there. `CONNECT` and absolute addresses are let through to the given destinations and to nothing
else; names are resolved here, so the tool needs no DNS. The machine's own proxy, where it has one,
is asked in turn. Bytes inside a tunnel are not looked at: they are TLS between tool and registry.
"""

from __future__ import annotations

import base64
import ipaddress
import select
import socket
import threading
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from casemate.node.package_hosts import Destination

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_HEAD_BYTES = 64 * 1024
_CONNECT_SECONDS = 30
_IDLE_SECONDS = 120
_CHUNK = 64 * 1024
_LOOK_SECONDS = 0.5


class PackageProxy:
    """Serves one run of one tool, in threads; `refused` names what was asked for in vain."""

    def __init__(self, listener: socket.socket, allowed: frozenset[Destination]) -> None:
        self._listener = listener
        self._allowed = allowed
        self._ended = threading.Event()
        self.refused: set[str] = set()
        self._thread = threading.Thread(target=self._accept, name="package-proxy", daemon=True)

    def __enter__(self) -> Self:
        """Begin to accept."""
        self._listener.settimeout(_LOOK_SECONDS)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop accepting; connections end with the tool, whose namespace is gone."""
        self._ended.set()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, ValueError, IndexError):
            client.settimeout(_CONNECT_SECONDS)
            head, rest = _read_head(client)
            method, target, _version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            tunnel = method == "CONNECT"
            parts = urlsplit(f"//{target}" if tunnel else target)
            place = Destination((parts.hostname or "").lower(), parts.port or 80)
            # ATTACK: a hole in a resolver would reach the metadata service, or the machine's own
            # services on loopback. tests/unit/node/test_package_proxy.py
            if place not in self._allowed or (not tunnel and parts.scheme != "http"):
                self.refused.add(f"{place.host}:{place.port}")
                client.sendall(
                    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            try:
                upstream, first = _open(place, head, rest, tunnel=tunnel)
            except OSError:
                client.sendall(
                    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            with upstream:
                if tunnel:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                upstream.sendall(first)
                self._copy(client, upstream)

    def _copy(self, client: socket.socket, upstream: socket.socket) -> None:
        other = {client: upstream, upstream: client}
        open_ends = {client, upstream}
        waited = 0.0
        while open_ends and waited < _IDLE_SECONDS and not self._ended.is_set():
            ready, _, _ = select.select(list(open_ends), [], [], _LOOK_SECONDS)
            waited = 0.0 if ready else waited + _LOOK_SECONDS
            for one in ready:
                chunk = one.recv(_CHUNK)
                if chunk:
                    other[one].sendall(chunk)
                    continue
                open_ends.discard(one)
                with suppress(OSError):
                    other[one].shutdown(socket.SHUT_WR)
                if one is upstream:
                    return


def _open(
    place: Destination, head: bytes, rest: bytes, *, tunnel: bool
) -> tuple[socket.socket, bytes]:
    """Connect; returns what is to be sent first."""
    proxy = _machines_proxy(place, "https" if tunnel else "http")
    if proxy is None:
        upstream = _connect(place)
        return upstream, rest if tunnel else _origin_form(head, place) + rest
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    upstream = socket.create_connection((parts.hostname or "", parts.port or 80), _CONNECT_SECONDS)
    password = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        password = f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    if not tunnel:
        line, _, lines = head.partition(b"\r\n")
        lines = b"\r\n".join(_end_to_end(lines))
        return upstream, b"\r\n".join(
            [line, password.encode() + b"Connection: close", lines]
        ) + rest
    name = f"[{place.host}]" if ":" in place.host else place.host
    asked = f"CONNECT {name}:{place.port} HTTP/1.1\r\nHost: {name}:{place.port}\r\n{password}\r\n"
    upstream.sendall(asked.encode())
    answer, early = _read_head(upstream)
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        upstream.close()
        raise ConnectionError("the machine's proxy refused")
    if early:
        upstream.close()
        raise ConnectionError("the machine's proxy spoke before it was asked")
    return upstream, rest


def _connect(place: Destination) -> socket.socket:
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _name, address in found:
        # ATTACK: a Secret or a name server points at the metadata service, which is link-local.
        # tests/unit/node/test_package_proxy.py
        if ipaddress.ip_address(str(address[0]).partition("%")[0]).is_link_local:
            continue
        upstream = socket.socket(family, kind, protocol)
        upstream.settimeout(_CONNECT_SECONDS)
        try:
            upstream.connect(address)
        except OSError:
            upstream.close()
            continue
        return upstream
    raise ConnectionError("no address of it answers")


def _machines_proxy(place: Destination, scheme: str) -> str | None:
    if urllib.request.proxy_bypass_environment(place.host):  # type: ignore[attr-defined]
        return None
    known = urllib.request.getproxies_environment()
    return known.get(scheme) or known.get("all")


def _origin_form(head: bytes, place: Destination) -> bytes:
    """Rewrite an absolute request for the origin; one request per connection, so nothing hides."""
    line, _, lines = head.partition(b"\r\n")
    method, target, version = line.split(b" ")
    parts = urlsplit(target.decode("ascii"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    usual = place.port == 80  # noqa: PLR2004  # http's own
    host = place.host if usual else f"{place.host}:{place.port}"
    kept = [one for one in _end_to_end(lines) if not one.lower().startswith(b"host:")]
    first = [method + b" " + path.encode() + b" " + version, b"Host: " + host.encode()]
    return b"\r\n".join([*first, b"Connection: close", *kept])


def _end_to_end(lines: bytes) -> list[bytes]:
    """Return the header lines, and the empty ones that end them, without those of this hop."""
    hop = (b"proxy-", b"connection:", b"keep-alive:")
    return [one for one in lines.split(b"\r\n") if not one.lower().startswith(hop)]


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the head with its empty line, and what came after it."""
    read = b""
    while b"\r\n\r\n" not in read:
        chunk = connection.recv(_CHUNK)
        if not chunk or len(read) > _HEAD_BYTES:
            raise ValueError("no whole head")
        read += chunk
    head, _, rest = read.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest
