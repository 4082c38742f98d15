"""Connects to a service on the host's loopback."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import socket

def main(event, context):
    def connect():
        with socket.create_connection(("127.0.0.1", event["data"]["tcp_port"]), timeout=2) as peer:
            return peer.recv(100)
    return attempt(connect)
"""

NODE = """\
const net = require("net");
module.exports = {
  main: (event) =>
    new Promise((resolve) => {
      const peer = net.connect(event.data.tcp_port, "127.0.0.1");
      peer.setTimeout(2000, () => peer.destroy(new Error("timeout")));
      peer.on("data", (bytes) => resolve({ succeeded: true, evidence: String(bytes) }));
      peer.on("error", (error) => resolve({ succeeded: false, evidence: String(error) }));
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_reach_a_loopback_service(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
