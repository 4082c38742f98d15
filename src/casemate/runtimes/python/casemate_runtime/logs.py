"""Lines on stdout and stderr, each attributed to the request being served.

`print` and `sys.stderr.write` of user code go through `AttributedStream`; the server's own lines
through `write_line`, which no replaced `sys.stdout` can redirect. A line is written whole by one
system call. No environment, header, body or source text is ever logged by the server: tracebacks
name files, lines and functions, and the message of the exception.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

# Longer lines are cut into several: one print of a huge value must not hold it all twice.
LINE_CHARACTERS = 16 * 1024
# Deeper tracebacks keep their ends, as Python's own do.
TRACEBACK_FRAMES = 24
CHAINED_EXCEPTIONS = 4

request_in_hand: ContextVar[str] = ContextVar("casemate_request_id", default="")

_json_lines = False
_function = ""
_streams: list[AttributedStream] = []


def configure(*, json_lines: bool, function: str) -> None:
    """Choose the form of lines and put the attributed streams in place."""
    global _json_lines, _function  # noqa: PLW0603  one process, one log
    _json_lines = json_lines
    _function = function
    _streams[:] = [AttributedStream(1, "info"), AttributedStream(2, "error")]
    sys.stdout, sys.stderr = _streams


def end_request() -> None:
    """Write what the request in hand left without a line end."""
    for stream in _streams:
        if stream.unfinished:
            stream.end_request()


def write_line(descriptor: int, level: str, message: str, request_id: str | None = None) -> None:
    """Write one line; a closed or full descriptor never fails a request."""
    if request_id is None:
        request_id = request_in_hand.get()
    if _json_lines:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        line = json.dumps(
            {
                "time": f"{stamp}.{int(now * 1000) % 1000:03d}Z",
                "level": level,
                "request_id": request_id,
                "function": _function,
                "message": message,
            },
        )
    else:
        # ATTACK: without this, user text could look like a line of another request.
        line = message.replace("\r", "\\r")
        if request_id:
            line = f"[{request_id}] {line}"
    try:
        os.write(descriptor, line.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        return


def write_exception(error: BaseException, request_id: str | None = None) -> None:
    """Log where an exception came from, without source text."""
    for line in describe_exception(error):
        write_line(2, "error", line, request_id)


def describe_exception(error: BaseException) -> list[str]:
    """List the traceback's places and the message, causes first."""
    chain = [error]
    while len(chain) < CHAINED_EXCEPTIONS:
        last = chain[-1]
        before = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if before is None or before in chain:
            break
        chain.append(before)
    lines: list[str] = []
    for link in reversed(chain):
        lines.extend(_frames(link.__traceback__))
        lines.append(f"{type(link).__name__}: {_message(link)}")
    return lines


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  user code may raise anything here
        text = "(no message)"
    return text[:LINE_CHARACTERS].replace("\n", "\\n")


def _frames(traceback: TracebackType | None) -> list[str]:
    own = os.path.dirname(__file__)  # noqa: PTH120  pathlib is 2 MB
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(own):
            place = f'  file "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}'
            places.append(place)
        traceback = traceback.tb_next
    if len(places) > TRACEBACK_FRAMES:
        half = TRACEBACK_FRAMES // 2
        left_out = len(places) - TRACEBACK_FRAMES
        places = [*places[:half], f"  ... {left_out} more frames", *places[-half:]]
    return places


class AttributedStream(io.TextIOBase):
    """A text stream whose whole lines become log lines; unfinished ones wait per thread.

    Closing it does nothing: user code that closes stdout would otherwise break every later print.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int, level: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._level = level
        self.unfinished: dict[tuple[int, str], str] = {}

    @property
    def buffer(self) -> io.RawIOBase:
        """Bytes written here become the same lines."""
        return _ByteStream(self)

    def write(self, text: str) -> int:
        """Write whole lines now, keep the rest until its end comes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        key = (threading.get_ident(), request_in_hand.get())
        pending = self.unfinished.pop(key, "") + text
        *lines, rest = pending.split("\n")
        for line in lines:
            for start in range(0, len(line) or 1, LINE_CHARACTERS):
                write_line(self._descriptor, self._level, line[start : start + LINE_CHARACTERS])
        while len(rest) > LINE_CHARACTERS:
            write_line(self._descriptor, self._level, rest[:LINE_CHARACTERS])
            rest = rest[LINE_CHARACTERS:]
        if rest:
            self.unfinished[key] = rest
        return len(text)

    def end_request(self) -> None:
        """Write what the request in hand left without a line end."""
        rest = self.unfinished.pop((threading.get_ident(), request_in_hand.get()), "")
        if rest:
            write_line(self._descriptor, self._level, rest)

    def writable(self) -> bool:
        """Say yes, always."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, for child processes."""
        return self._descriptor

    def isatty(self) -> bool:
        """Say no: it is a pipe."""
        return False

    def flush(self) -> None:
        """Do nothing: whole lines are written at once."""

    def close(self) -> None:
        """Do nothing: the stream outlives every handler."""

    def reconfigure(self, **_options: object) -> None:
        """Accept what scripts ask of a text file at their start; lines stay as they are."""


class _ByteStream(io.RawIOBase):
    """The `buffer` of an attributed stream."""

    def __init__(self, stream: AttributedStream) -> None:
        super().__init__()
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._stream.write(bytes(content).decode("utf-8", "backslashreplace"))
        return len(content)
