"""Bodies that are sent as they are made.

The head waits for the first part: until then a failure can still be a 500. After it, only cutting
the connection tells the reader that something is missing, so no last chunk is ever sent then.
"""

from __future__ import annotations

from casemate_runtime import logs
from casemate_runtime.call import DeadlineExceeded
from casemate_runtime.reply import UnusableReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Context
    from typing import Any

    from casemate_runtime.call import Call
    from casemate_runtime.reply import Reply

FILE_PART_BYTES = 64 * 1024


def text_parts(parts: Iterator[object]) -> Iterator[bytes]:
    """Encode text, pass bytes, refuse everything else; closes its source when it is closed."""
    try:
        for part in parts:
            if isinstance(part, str):
                yield part.encode()
            elif isinstance(part, bytes | bytearray | memoryview):
                yield bytes(part)
            else:
                raise UnusableReply(f"a {type(part).__name__} is no part of a body")
    finally:
        closing = getattr(parts, "close", None)
        if closing is not None:
            closing()


def file_parts(file: Any) -> Iterator[bytes]:
    """Read a file object to its end, in parts."""
    while part := file.read(FILE_PART_BYTES):
        yield part.encode() if isinstance(part, str) else bytes(part)


class BrokenStream(Exception):
    """User code failed after the head was sent; carries the cause."""


class StreamedAnswer:
    """One answer whose parts come from user code, in the context of its request."""

    def __init__(self, call: Call, reply: Reply, context: Context) -> None:
        self._call = call
        self._reply = reply
        self._context = context
        request = call.request
        # HTTP/1.0 knows no chunks: there the end of the connection ends the body.
        self._chunked = request.version == "1.1"
        self._keep_alive = self._chunked and call.connection.may_continue(request)
        self._part: bytes | None = None
        self._head = b""

    def begins(self) -> bool:
        """Make the first part and the head; false if that failed, nothing is sent yet."""
        try:
            self._part = self._next_part()
            self._head = self._reply.head(
                keep_alive=self._keep_alive, method=self._call.request.method, chunked=self._chunked
            )
        except (BrokenStream, UnusableReply) as error:
            logs.write_exception(error.__cause__ or error, self._call.request_id)
            self._close()
            return False
        return True

    def send(self) -> bool:
        """Send head and parts; true when the connection may serve another request."""
        call = self._call
        if not call.claim():
            raise DeadlineExceeded
        try:
            call.connection.send(self._head)
            call.open_stream()
            if call.request.method != b"HEAD":
                self._send_parts()
            elif not call.claim():
                raise DeadlineExceeded
        except OSError as error:
            if call.settled is not None:
                # The deadline has cut the connection under us.
                raise DeadlineExceeded from error
            raise
        finally:
            self._close()
        return self._keep_alive

    def _send_parts(self) -> None:
        connection = self._call.connection
        part = self._part
        while part is not None:
            if part:
                chunk = b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part
                connection.send(chunk)
            part = self._next_part()
        if not self._call.claim():
            raise DeadlineExceeded
        if self._chunked:
            connection.send(b"0\r\n\r\n")

    def _next_part(self) -> bytes | None:
        try:
            return self._context.run(next, self._reply.stream, None)  # type: ignore[arg-type]
        except DeadlineExceeded:
            raise
        except BaseException as error:
            raise BrokenStream("the stream failed") from error

    def _close(self) -> None:
        """Let the handler's stream go; what it raises then changes nothing any more."""
        try:
            self._context.run(self._reply.close)
        except DeadlineExceeded:
            raise
        except BaseException as error:  # noqa: BLE001  user code may raise anything here
            logs.write_exception(error, self._call.request_id)
