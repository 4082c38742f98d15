"""Sends a datagram to the host, as DNS tunnels do."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import socket

def main(event, context):
    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(2)
            sender.sendto(b"?", ("127.0.0.1", event["data"]["udp_port"]))
            return sender.recv(100)
    return attempt(ask)
"""

NODE = """\
const dgram = require("dgram");
module.exports = {
  main: (event) =>
    new Promise((resolve) => {
      const sender = dgram.createSocket("udp4");
      const end = (succeeded, evidence) => resolve({ succeeded, evidence: String(evidence) });
      sender.on("message", (bytes) => end(true, bytes));
      sender.on("error", (error) => end(false, error));
      setTimeout(() => end(false, "no answer"), 2000);
      sender.send("?", event.data.udp_port, "127.0.0.1");
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_send_a_datagram_to_the_host(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
