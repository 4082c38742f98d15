"""A private registry on loopback: a PyPI index and an npm registry behind one password.

What it serves is built here, byte by byte, and holds a text of the test's choice, so that a package
of an earlier run is never mistaken for this one. Nothing is answered without the password.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PACKAGE = "casemate-test-private"
MODULE = "casemate_test_private"
VERSION = "1.0.0"


def a_wheel(text: str, hostile: dict[str, bytes] | None = None) -> bytes:
    """Build a wheel whose module has one constant, TEXT; `hostile` entries come as they are."""
    info = f"{MODULE}-{VERSION}.dist-info"
    files = {
        f"{MODULE}.py": f"TEXT = {text!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, f"{info}/RECORD": record, **(hostile or {})}.items():
            # With a fixed time: equal texts must give equal bytes.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def a_tarball(text: str, hostile: list[tarfile.TarInfo] | None = None) -> bytes:
    """Build an npm package that exports the text; `hostile` members hold zeros or point away."""
    files = {
        "package/package.json": json.dumps({"name": PACKAGE, "version": VERSION, "main": "i.js"}),
        "package/i.js": f"module.exports = {json.dumps(text)};\n",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
        for member in hostile or []:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return gzip.compress(buffer.getvalue(), mtime=0)


@dataclass
class PackageRegistry:
    """Use it in a `with` block; `refused` counts requests without the right password."""

    text: str
    user: str = "builder"
    password: str = "hunter2-Zq9"
    hostile_entries: dict[str, bytes] = field(default_factory=dict)
    hostile_members: list[tarfile.TarInfo] = field(default_factory=list)
    source_only: bool = False
    """Offer an sdist, whose build would run its code, and no wheel."""
    served: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __enter__(self) -> PackageRegistry:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def basic(self) -> str:
        """The credentials as HTTP and npm want them."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def pip_conf(self, password: str | None = None) -> str:
        word = self.password if password is None else password
        return f"[global]\nextra-index-url = http://{self.user}:{word}@{self.host}/simple/\n"

    def npmrc(self, password: str | None = None) -> str:
        word = self.password if password is None else password
        auth = base64.b64encode(f"{self.user}:{word}".encode()).decode()
        return f"registry=http://{self.host}/npm/\n//{self.host}/npm/:_auth={auth}\n"

    def secret(self, password: str | None = None, namespace: str = "default") -> dict[str, Any]:
        """Return the Secret as Kyma's documentation has users write it."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "serverless-package-registry-config", "namespace": namespace},
            "stringData": {".npmrc": self.npmrc(password), "pip.conf": self.pip_conf(password)},
        }

    def answer(self, path: str) -> tuple[bytes, str] | None:
        """Return body and type of a path."""
        wheel = f"{MODULE}-{VERSION}-py3-none-any.whl"
        if self.source_only:
            wheel = f"{MODULE}-{VERSION}.tar.gz"
        if path == f"/simple/{PACKAGE}/":
            digest = hashlib.sha256(self._wheel()).hexdigest()
            page = f'<!DOCTYPE html><a href="/files/{wheel}#sha256={digest}">{wheel}</a>'
            return page.encode(), "text/html"
        if path == f"/files/{wheel}":
            return self._wheel(), "application/octet-stream"
        if path == f"/npm/{PACKAGE}":
            return json.dumps(self._packument()).encode(), "application/json"
        if path == f"/npm/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz":
            return self._tarball(), "application/octet-stream"
        return None

    def _wheel(self) -> bytes:
        return a_wheel(self.text, self.hostile_entries)

    def _tarball(self) -> bytes:
        return a_tarball(self.text, self.hostile_members)

    def _packument(self) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha512(self._tarball()).digest()).decode()
        tarball = f"http://{self.host}/npm/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
        version = {
            "name": PACKAGE,
            "version": VERSION,
            "main": "i.js",
            "dist": {"integrity": f"sha512-{digest}", "tarball": tarball},
        }
        return {
            "name": PACKAGE,
            "dist-tags": {"latest": VERSION},
            "versions": {VERSION: version},
        }


def _handler(registry: PackageRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("authorization") != f"Basic {registry.basic}":
                registry.refused.append(self.path)
                # A careless server repeats what it was sent; we may not pass it on.
                said = f"wrong: {self.headers.get('authorization', '')}"
                self._send(401, said.encode(), "text/plain", ('Basic realm="private"',))
                return
            found = registry.answer(self.path)
            registry.served.append(self.path)
            self._send(*((200, *found) if found else (404, b"", "text/plain")))

        def _send(self, status: int, body: bytes, kind: str, wants: tuple[str, ...] = ()) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            for realm in wants:
                self.send_header("www-authenticate", realm)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  # the server's word

        def log_message(self, *_: object) -> None:
            return

    return Handler
