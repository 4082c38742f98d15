"""A tiny runtime that speaks the node's protocol and misbehaves on request.

Run with `python -I -S`; `MODE` chooses how it starts, the request path what it does then. Standard
library only, as everything that runs in a sandbox.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time

CONTROL = socket.socket(fileno=int(os.environ["CASEMATE_CONTROL_FD"]))
MODE = os.environ.get("MODE", "ok")
REVISION = os.environ.get("REVISION", "r1")
STATE = {"sick": False, "active": 0, "leaving": False, "requests": None}


def say(**spoken):
    CONTROL.sendall(json.dumps(spoken).encode() + b"\n")


async def retire():
    say(event="retiring", reason="DeadlineExceeded")
    STATE["requests"].close()
    STATE["metrics"].close()
    await asyncio.sleep(float(os.environ.get("RETIRE_SECONDS", "0.3")))
    os._exit(75)


async def act(path):
    if path.startswith("/slow/"):
        await asyncio.sleep(int(path.rpartition("/")[2]) / 1000)
    elif path.startswith("/exit/"):
        os._exit(int(path.rpartition("/")[2]))
    elif path == "/retire":
        STATE["retiring"] = asyncio.ensure_future(retire())
    elif path == "/sick":
        STATE["sick"] = True
    elif path == "/freeze":
        time.sleep(3600)  # a frozen loop is the point
    elif path == "/print":
        os.write(1, b"printed by a request\n")


async def serve(reader, writer):
    STATE["active"] += 1
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        await act(head.split(b" ")[1].decode())
        body = json.dumps({"revision": REVISION, "pid": os.getpid()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
        STATE["active"] -= 1
        if STATE["leaving"] and not STATE["active"]:
            os._exit(0)


async def healthz(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    status = b"503 Sick" if STATE["sick"] else b"200 OK"
    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def drain():
    if MODE == "deaf":
        return
    STATE["requests"].close()
    await asyncio.sleep(0)
    if not STATE["active"]:
        os._exit(0)
    STATE["leaving"] = True


def misbehave():
    if MODE == "exit":
        os.write(1, b"going down\n")
        os._exit(3)
    if MODE == "load-failed":
        say(event="load_failed", reason="SyntaxError", message="handler.py:3: bad \x1b[2J")
        os._exit(65)
    if MODE == "retire-at-once":
        say(event="retiring")
        time.sleep(3600)
    if MODE == "flood-control":
        for _ in range(100_000):
            CONTROL.send(b"junk\n" * 100)
    if MODE == "crash-after-ready":
        say(event="ready")
        time.sleep(0.2)
        os._exit(4)


async def main():
    loop = asyncio.get_running_loop()
    for name, variable, handler in (
        ("requests", "CASEMATE_LISTEN_FD", serve),
        ("metrics", "CASEMATE_METRICS_FD", healthz),
    ):
        listener = socket.socket(fileno=int(os.environ[variable]))
        STATE[name] = await asyncio.start_unix_server(handler, sock=listener)
    loop.add_signal_handler(
        signal.SIGTERM, lambda: STATE.update(draining=asyncio.ensure_future(drain()))
    )
    if MODE != "never-ready":
        say(event="ready")
    await asyncio.sleep(3600)


try:
    misbehave()
except OSError:
    sys.exit(70)
asyncio.run(main())
