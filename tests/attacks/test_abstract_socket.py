"""Connects to an abstract unix socket, which has no path to hide."""

from __future__ import annotations

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
import socket

def main(event, context):
    def connect():
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(2)
            peer.connect("\\0" + event["data"]["abstract_name"])
            return peer.recv(100)
    return attempt(connect)
"""

NODE = """\
const net = require("net");
module.exports = {
  main: (event) =>
    new Promise((resolve) => {
      const peer = net.connect({ path: "\\0" + event.data.abstract_name });
      peer.on("data", (bytes) => resolve({ succeeded: true, evidence: String(bytes) }));
      peer.on("error", (error) => resolve({ succeeded: false, evidence: String(error) }));
      setTimeout(() => resolve({ succeeded: false, evidence: "no answer" }), 2000);
    }),
};
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_handler_cannot_reach_an_abstract_socket_of_the_host(arena: Arena, language: str) -> None:
    arena.stops(language, {"python": PYTHON, "node": NODE}[language])
