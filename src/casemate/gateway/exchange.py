"""One request and its answer: from the verdict to the last byte, or to the problem in its place.

An exchange is told things by its client connection (body, end, gone, too late) and by its upstream
connection (answer, lost, broken) and passes bytes between them as they come, holding neither side's
bytes longer than the other side is slow. It holds one slot of its lane from dispatch to `_end`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from casemate.clock import monotonic_seconds
from casemate.gateway.admission import Refusal, admit
from casemate.gateway.problems import (
    BAD_ANSWER,
    BODY_TOO_LARGE,
    FUNCTION_TIMEOUT,
    INSTANCE_LOST,
    STATUS_LINES,
    Problem,
    encode_problem,
)

if TYPE_CHECKING:
    from casemate.gateway.client import ClientConnection
    from casemate.gateway.lanes import Endpoint, Lane
    from casemate.gateway.request_reader import RequestHead
    from casemate.gateway.upstream import AnswerHead, UpstreamConnection

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_METHODS_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})
_CALLER_GONE = 0


class Exchange:
    """State of one request. `deadline` is on the loop's clock; the sweep calls `expire`."""

    __slots__ = (
        "_answer_chunked",
        "_body",
        "_body_bytes",
        "_caller_lines",
        "_close",
        "_endpoint",
        "_ends_sent",
        "_forwarded",
        "_lane",
        "_out",
        "_request_chunked",
        "_retried",
        "_started",
        "_status",
        "_upstream",
        "client",
        "complete",
        "deadline",
        "ends_at_close",
        "head",
        "is_over",
        "request_id",
        "spliced",
    )

    def __init__(self, client: ClientConnection, head: RequestHead) -> None:
        self.client = client
        self.head = head
        self.complete = False
        self.is_over = False
        self.spliced = False
        self.deadline = math.inf
        self.ends_at_close = False
        self.request_id = ""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._out: list[bytes] = []
        self._lane: Lane | None = None
        self._endpoint: Endpoint | None = None
        self._upstream: UpstreamConnection | None = None
        self._forwarded = b""
        self._caller_lines = b""
        self._status = _CALLER_GONE
        self._started = 0.0
        self._close = not head.keep_alive
        self._ends_sent = False
        self._request_chunked = False
        self._answer_chunked = False
        self._retried = False

    # -- from the client ---------------------------------------------------------------------

    def begin(self) -> None:
        """Decide, then send, queue or refuse."""
        client = self.client
        gateway = client.gateway
        self.request_id = gateway.next_request_id()
        self._started = monotonic_seconds()
        admission = admit(gateway, self.head, client.place_of(self.head))
        if isinstance(admission, Refusal):
            gateway.report_denial(self.request_id, admission)
            lane = gateway.lanes.get(admission.key)
            self._lane = lane
            self.refuse(admission.problem, lane.route.reason if lane else "", admission.fields)
            return
        self._lane = lane = admission.lane
        self._forwarded = admission.forwarded
        self._caller_lines = admission.caller_lines
        if self._body_bytes > lane.route.max_body_bytes:
            self.refuse(BODY_TOO_LARGE)
            return
        problem = lane.submit(self)
        if problem is not None:
            gateway.report_denial(self.request_id, Refusal(problem, problem.code, lane.route.key))
            self.refuse(problem)

    def on_request_body(self, piece: bytes) -> None:
        """Keep a piece of the body until `advance` sends it on."""
        self._body_bytes += len(piece)
        if not self.is_over:
            self._body.append(piece)

    def advance(self) -> None:
        """Send on what has arrived of the body, and its end."""
        lane = self._lane
        if self.is_over or lane is None:
            return
        if self._body_bytes > lane.route.max_body_bytes:
            self.refuse(BODY_TOO_LARGE)
            return
        upstream = self._upstream
        if upstream is None:
            if self._body_bytes > self.client.gateway.limits.body_buffer_bytes:
                self.client.hold_body()
            return
        if self._body:
            upstream.transport.write(self._take_body())
        if self.complete and not self._ends_sent:
            self._ends_sent = True
            if self._request_chunked:
                upstream.transport.write(b"0\r\n\r\n")
            self._arm()

    def expire(self) -> None:
        """Give up waiting, for a slot or for an answer."""
        self.deadline = math.inf
        waited = self._lane.withdraw(self) if self._lane is not None else None
        self.refuse(waited or FUNCTION_TIMEOUT)

    def cancel(self) -> None:
        """The caller is gone: stop the work and give the slot back."""
        if self.is_over:
            return
        if self._lane is not None:
            self._lane.withdraw(self)
        self._end(reusable=False)

    def refuse(self, problem: Problem, reason: str = "", fields: bytes = b"") -> None:
        """Answer with a problem, or break the answer off if it has begun."""
        if self.is_over:
            return
        client = self.client
        if self._status:
            self._close = True
            client.break_off(reset=not self.head.http11)
        else:
            self._status = problem.status
            self._close = self._close or problem.closes or not self.complete
            answer = encode_problem(
                problem, self.request_id, reason=reason, fields=fields, close=self._close
            )
            if self.head.method == b"HEAD":
                answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            client.write(answer)
        self._end(reusable=False)

    # -- from the lane -----------------------------------------------------------------------

    def on_dialling(self) -> None:
        """Stop waiting for a slot: one is held, and whoever dials gives it back on failure."""
        self.deadline = math.inf

    def on_connected(self, upstream: UpstreamConnection) -> None:
        """Send the head, and the body as far as it has come."""
        self._upstream = upstream
        self._endpoint = upstream.endpoint
        head, client = self.head, self.client
        parts = [
            b"%b %b HTTP/1.1\r\n" % (head.method, self._forwarded),
            client.forwarded_lines,
            *head.lines,
            self._caller_lines,
            b"x-request-id: %b\r\n" % self.request_id.encode(),
        ]
        if head.upgrade is not None:
            parts.append(b"connection: upgrade\r\nupgrade: websocket\r\n")
        if self.complete:
            self._ends_sent = True
            if self._body or head.has_length or head.method in _METHODS_WITH_BODY:
                parts.append(b"content-length: %d\r\n" % self._body_bytes)
        elif head.has_length:
            parts.append(b"content-length: %d\r\n" % head.content_length)
        else:
            self._request_chunked = True
            parts.append(b"transfer-encoding: chunked\r\n")
        parts.append(b"\r\n")
        if self._body:
            parts.append(self._take_body())
        elif head.expects_continue and not self.complete:
            client.write(_CONTINUE)
        upstream.send(self, b"".join(parts))
        if self.complete:
            self._arm()
        else:
            self.deadline = math.inf
            client.release_body()
        if client.is_full:
            upstream.transport.pause_reading()

    # -- from the instance -------------------------------------------------------------------

    def on_answer_head(self, answer: AnswerHead) -> None:
        """Begin the answer."""
        self.deadline = math.inf
        self._status = answer.status
        out = self._out
        out.append(STATUS_LINES[answer.status])
        out.extend(answer.lines)
        out.append(b"x-request-id: %b\r\n" % self.request_id.encode())
        if answer.length is not None and answer.status != 204:  # noqa: PLR2004  # No Content
            out.append(b"content-length: %b\r\n" % answer.length)
        elif not answer.bodyless:
            self.ends_at_close = not answer.chunked
            if self.head.http11:
                self._answer_chunked = True
                out.append(b"transfer-encoding: chunked\r\n")
            else:
                self._close = True
        # A caller that still sends will not be read to the end: say so while it can be said.
        self._close = self._close or not self.complete
        out.append(b"connection: close\r\n\r\n" if self._close else b"\r\n")

    def on_answer_body(self, piece: bytes) -> None:
        """Add a piece of the answer; `flush` sends it."""
        if self._answer_chunked:
            self._out.append(b"%x\r\n" % len(piece))
            self._out.append(piece)
            self._out.append(b"\r\n")
        else:
            self._out.append(piece)

    def flush(self) -> None:
        """Send to the caller what has gathered."""
        if self._out:
            out, self._out = self._out, []
            self.client.write(b"".join(out))

    def on_answer_end(self) -> None:
        """Finish the answer and give the connection back."""
        if self._answer_chunked:
            self._out.append(b"0\r\n\r\n")
        self.flush()
        self._end(reusable=self._ends_sent)

    def on_answer_broken(self) -> None:
        """The instance answered with something that is not HTTP."""
        self.refuse(BAD_ANSWER)

    def on_switched(self, answer: AnswerHead, first: bytes) -> None:
        """Leave HTTP: from now on both sides' bytes are passed on as they come."""
        self.deadline = math.inf
        self.spliced = True
        self._status = answer.status
        head = [STATUS_LINES[answer.status], *answer.lines, b"connection: upgrade\r\n\r\n", first]
        self.client.write(b"".join(head))
        if self._upstream is not None:
            self.client.splice(self._upstream)

    def on_instance_lost(self, upstream: UpstreamConnection) -> None:
        """The connection closed with this request on it: once more, or say so."""
        self._upstream = None
        lane, endpoint = self._lane, upstream.endpoint
        if lane is None or self.is_over:
            return
        if self.spliced:
            self._close = True
            self._end(reusable=False)
        elif self._is_repeatable and upstream.reused and not self._status and not self._retried:
            # An idle connection that the instance closed as we wrote to it: nothing was done yet.
            self._retried = True
            self._endpoint = None
            lane.redial(endpoint, self)
        else:
            overdue = self.client.gateway.loop.time() >= (
                self.deadline - self.client.gateway.limits.timeout_grace_seconds
            )
            self.refuse(FUNCTION_TIMEOUT if overdue else INSTANCE_LOST)

    def on_upstream_full(self) -> None:
        """The instance does not read: neither do we, and its time runs."""
        self.client.hold_upload()
        if not self._status:
            self._arm()

    def on_upstream_ready(self) -> None:
        """The instance reads again."""
        if not self.complete:
            self.deadline = math.inf
        self.client.release_upload()

    def pause_answer(self) -> None:
        """The caller reads slowly: stop reading the answer."""
        if self._upstream is not None and not self._upstream.transport.is_closing():
            self._upstream.transport.pause_reading()

    def resume_answer(self) -> None:
        """The caller caught up."""
        if self._upstream is not None and not self._upstream.transport.is_closing():
            self._upstream.transport.resume_reading()

    # -- own ---------------------------------------------------------------------------------

    @property
    def _is_repeatable(self) -> bool:
        return self.head.method in _SAFE_METHODS and not self._body_bytes and self.complete

    def _arm(self) -> None:
        lane, gateway = self._lane, self.client.gateway
        if lane is not None:
            wait = lane.route.timeout_seconds + gateway.limits.timeout_grace_seconds
            self.deadline = gateway.loop.time() + wait

    def _take_body(self) -> bytes:
        pieces, self._body = self._body, []
        if not self._request_chunked:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    def _end(self, *, reusable: bool) -> None:
        """Give back the slot, count, and let the client go on. Runs once."""
        self.is_over = True
        client, lane, upstream = self.client, self._lane, self._upstream
        self._upstream = None
        self._body = []
        seconds = monotonic_seconds() - self._started
        if lane is not None:
            lane.tally.count(self._status, seconds)
            if self._endpoint is not None:
                if upstream is not None and not (reusable and upstream.is_usable):
                    upstream.leave()
                    upstream = None
                lane.release(self._endpoint, upstream)
        if client.gateway.logs_access:
            client.gateway.report_access(self, self._status, seconds)
        client.on_exchange_over(self, close=self._close)
