"""A package tool reaches the registries that were named, and nothing else of host or network."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from casemate.node.default_registries import default_registries
from casemate.node.package_hosts import Destination, registry_destinations
from casemate.node.package_proxy import PackageProxy
from casemate.node.tool_sandbox import ToolRun, run_tool
from support.sandboxes import PYTHON, host_root_view

CONNECT = (
    "import socket; s = socket.create_connection(('127.0.0.1', 3128), 5);"
    "s.sendall(b'CONNECT {0} HTTP/1.1\\r\\nHost: {0}\\r\\n\\r\\n'); print(s.recv(99))"
)


@contextmanager
def a_server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = (
                f"{self.path} {self.headers['host']} {self.headers['proxy-authorization']}".encode()
            )
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_CONNECT(self):
            self.server.asked.append((self.path, self.headers["proxy-authorization"]))
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def a_proxy(*allowed: Destination):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with PackageProxy(listener, frozenset(allowed)) as proxy:
        yield proxy, port


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def run_python(code: str, *destinations: Destination):
    root = host_root_view()
    return run_tool(
        ToolRun((PYTHON, "-I", "-S", "-c", code), root, destinations=frozenset(destinations))
    )


def test_a_tool_cannot_reach_the_hosts_loopback_even_where_it_has_a_registry():
    with a_server() as (_server, port):
        # The attack works without the protection: the service answers whoever shares its network.
        socket.create_connection(("127.0.0.1", port), 5).close()

        direct = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        done = run_python(direct, Destination("registry.example", 443))

    assert "Connection refused" in done.stderr


def test_a_tool_reaches_the_destination_that_was_named_through_its_proxy():
    with a_server() as (_server, port):
        code = (
            "import socket; s = socket.create_connection(('127.0.0.1', 3128), 5);"
            f"s.sendall(b'GET http://127.0.0.1:{port}/simple/x/?y HTTP/1.1\\r\\nHost: other\\r\\n\\r\\n');"
            "print(b''.join(iter(lambda: s.recv(999), b'')))"
        )
        done = run_python(code, Destination("127.0.0.1", port))

    assert f"/simple/x/?y 127.0.0.1:{port} None" in done.stdout


@pytest.mark.parametrize("place", ["169.254.169.254:80", "127.0.0.1:22", "registry.example:80"])
def test_every_other_destination_is_refused_and_named(place):
    done = run_python(CONNECT.format(place), Destination("registry.example", 443))

    assert "403 Forbidden" in done.stdout
    assert done.refused == (place,)


def test_a_metadata_address_is_refused_even_when_a_secret_names_it():
    done = run_python(CONNECT.format("169.254.169.254:80"), Destination("169.254.169.254", 80))

    assert "502 Bad Gateway" in done.stdout


def test_a_tunnel_carries_bytes_both_ways():
    with socket.create_server(("127.0.0.1", 0)) as echo:
        place = Destination("127.0.0.1", echo.getsockname()[1])
        with (
            a_proxy(place) as (_proxy, port),
            socket.create_connection(("127.0.0.1", port)) as tool,
        ):
            tool.settimeout(10)
            tool.sendall(f"CONNECT 127.0.0.1:{place.port} HTTP/1.1\r\n\r\n".encode())
            assert tool.recv(99).startswith(b"HTTP/1.1 200 ")
            registry, _ = echo.accept()
            with registry:
                tool.sendall(b"question")
                assert registry.recv(99) == b"question"
                registry.sendall(b"answer")
                assert tool.recv(99) == b"answer"


def test_the_machines_proxy_is_asked_with_its_password_which_the_tool_never_sees(monkeypatch):
    with a_server() as (server, port):
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:word@127.0.0.1:{port}")
        monkeypatch.setenv("HTTP_PROXY", f"http://us%40er:word@127.0.0.1:{port}")
        done = run_python(
            CONNECT.format("registry.example:443"), Destination("registry.example", 443)
        )
        with a_proxy(Destination("registry.example", 80)) as (_proxy, own):
            asked = http.client.HTTPConnection("127.0.0.1", own, timeout=10)
            asked.request(
                "GET", "http://registry.example/x", headers={"Proxy-Authorization": "Basic no"}
            )
            text = asked.getresponse().read().decode()
            asked.close()

    assert server.asked == [("registry.example:443", "Basic dXNAZXI6d29yZA==")]
    assert "502" in done.stdout
    assert text.endswith("Basic dXNAZXI6d29yZA==")


@pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A" * 70000])
def test_what_is_no_proxy_request_is_not_forwarded(head):
    with (
        a_proxy(Destination("127.0.0.1", 80)) as (_proxy, port),
        socket.create_connection(("127.0.0.1", port)) as tool,
    ):
        tool.settimeout(10)
        tool.sendall(head)
        tool.shutdown(socket.SHUT_WR)
        answer = tool.recv(99)

    assert answer == b"" or b"403" in answer


def test_the_destinations_are_what_environment_and_files_name():
    found = registry_destinations(
        {"UV_INDEX_URL": "https://u:p@a.example:8443/simple", "HTTPS_PROXY": "http://proxy.example"},
        [b"registry=http://B.example/npm/\n", b'[[index]]\nurl = "https://c.example/"\n', b"http://[bad"],
        defaults=[("https://index.example/", "files.example"), ("https://npm.example/", "")],
    )  # fmt: skip

    assert {(one.host, one.port) for one in found} == {
        ("a.example", 8443), ("b.example", 80), ("c.example", 443), ("index.example", 443),
        ("files.example", 443), ("npm.example", 443),
    }  # fmt: skip


def test_the_public_registries_are_what_pip_and_npm_have_themselves():
    index, packages = default_registries()

    assert index.url.startswith("https://pypi.")
    assert index.files_host.startswith("files.")
    assert packages.url.startswith("https://registry.npm")
