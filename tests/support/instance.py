"""A stand-in for a Function's instance: a unix-socket server whose behaviour each test writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass
class Seen:
    """One request as it arrived."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given == name]


@dataclass
class Wire:
    """The connection under a behaviour's hands."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, body: bytes = b"hello", status: str = "200 OK", extra: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
        await self.raw(head.encode() + body)

    async def raw(self, piece: bytes) -> None:
        self.writer.write(piece)
        await self.writer.drain()

    async def read_body(self, seen: Seen) -> bytes:
        if seen.values("transfer-encoding"):
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return body
        return await self.reader.readexactly(int((seen.values("content-length") or ["0"])[0]))


Behaviour = Callable[[Seen, Wire], Awaitable[None]]


async def say_hello(_seen: Seen, wire: Wire) -> None:
    await wire.answer()


@dataclass
class Instance:
    """Listens on `path`, records every request head, and lets `behave` answer."""

    path: Path
    behave: Behaviour = say_hello
    reads_body_first: bool = True
    seen: list[Seen] = field(default_factory=list)
    accepted: int = 0
    closed: int = 0

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self, started: threading.Event) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            self._tasks: set[asyncio.Task[None] | None] = set()
            server = await asyncio.start_unix_server(self._serve, str(self.path))
            started.set()
            await self._stop.wait()
            server.close()
            for task in self._tasks:
                if task is not None:
                    task.cancel()
            await asyncio.gather(*filter(None, self._tasks), return_exceptions=True)

        asyncio.run(serve())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._tasks.add(asyncio.current_task())
        wire = Wire(reader, writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode("latin-1").strip().split("\r\n")
                fields = [tuple(text.split(": ", 1)) for text in lines]
                seen = Seen(line, [(pair[0], pair[-1]) for pair in fields])
                if self.reads_body_first:
                    seen.body = await wire.read_body(seen)
                self.seen.append(seen)
                await self.behave(seen, wire)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.closed += 1
            writer.close()
