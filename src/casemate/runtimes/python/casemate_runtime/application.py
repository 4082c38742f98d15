"""Answers the requests of one Function: its own two doors, then the user's handler.

`/healthz` and `/favicon.ico` are the server's, as under Kyma; every other path is the handler's.
An error inside the handler is a 500 that carries only the request id: the traceback goes to the
log, where the Function's owner reads it and its callers do not.
"""

from __future__ import annotations

import os
import time
from contextvars import copy_context

from casemate_runtime import logs
from casemate_runtime.call import Call, DeadlineExceeded
from casemate_runtime.invocation import run_in_fresh_thread
from casemate_runtime.reply import Reply, UnusableReply, problem, text_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from casemate_runtime.connection import Connection
    from casemate_runtime.deadline import DeadlineKeeper
    from casemate_runtime.invocation import ThreadLocalWatch
    from casemate_runtime.metrics import CallMetrics
    from casemate_runtime.request import Request

PROBES = (b"GET", b"HEAD")


class HandlerFailed(Exception):  # noqa: N818  carries a reply, not an error text
    """The handler raised; `reply` is what its caller may know of that."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class FunctionApplication:
    """Serves one request after the other, on many threads at once."""

    def __init__(
        self,
        invoke: Callable[[Call], Reply],
        keeper: DeadlineKeeper,
        metrics: CallMetrics,
        watch: ThreadLocalWatch,
    ) -> None:
        self._invoke = invoke
        self._keeper = keeper
        self._metrics = metrics
        self._watch = watch
        self._access_log = os.environ.get("KYMA_INTERNAL_LOGGER_ENABLED", "").lower() == "true"
        self._forked = False
        # Context variables that the module set while it was imported are there for each request.
        self._context = copy_context()
        os.register_at_fork(after_in_child=self._note_fork)

    def _note_fork(self) -> None:
        self._forked = True

    def serve(self, request: Request, connection: Connection) -> bool:
        """Answer one request; true when the connection may serve another."""
        if request.target in {b"/healthz", b"/favicon.ico"} and request.method in PROBES:
            return self._serve_probe(request, connection)
        call = Call(request, connection, self._keeper.timeout_seconds)
        if not self._watch.found:
            return self._serve_call(call)
        outcome: list[bool] = []
        run_in_fresh_thread(lambda: outcome.append(self._serve_call(call)))
        return bool(outcome and outcome[0])

    def _serve_probe(self, request: Request, connection: Connection) -> bool:
        if request.target == b"/favicon.ico":
            reply = Reply(204)
        elif connection.draining:
            reply = problem(503, "the instance is ending")
        else:
            reply = text_reply(200, "OK")
        keep_alive = connection.may_continue(request)
        body = b"" if request.method == b"HEAD" else reply.body
        head = reply.head(keep_alive=keep_alive, method=request.method, chunked=False)
        connection.send(head + body)
        return keep_alive

    def _serve_call(self, call: Call) -> bool:
        call.enter_thread()
        keeper = self._keeper
        keeper.begin(call)
        context = self._context.copy()
        failed = True
        try:
            try:
                reply = context.run(self._run_handler, call)
                failed = False
            except HandlerFailed as failure:
                reply = failure.reply
            if self._forked:
                # ATTACK: a forked child that returns would answer this request a second time, on
                # the same socket. test_forked_child_does_not_answer
                os._exit(0)
            if reply.stream is None:
                return self._answer(call, reply)
            return self._answer_stream(call, reply, context)
        except DeadlineExceeded as error:
            failed = True
            call.surrender()
            logs.write_line(2, "error", "took too long and was stopped", call.request_id)
            logs.write_exception(error, call.request_id)
            return False
        finally:
            keeper.in_flight.pop(call, None)
            call.finished = True
            seconds = time.monotonic() - call.started
            self._metrics.record(call.request.method, seconds, failed=failed)

    def _run_handler(self, call: Call) -> Reply:
        """Call user code; whatever it raises becomes a reply here."""
        logs.request_in_hand.set(call.request_id)
        try:
            return self._invoke(call)
        except (DeadlineExceeded, HandlerFailed):
            raise
        except BaseException as error:  # noqa: BLE001  SystemExit of a handler ends no server
            if not self._forked:
                logs.write_exception(error)
            raise HandlerFailed(problem(500, "the Function failed", call.request_id)) from None
        finally:
            logs.end_request()

    def _answer(self, call: Call, reply: Reply) -> bool:
        request, connection = call.request, call.connection
        keep_alive = connection.may_continue(request)
        try:
            head = reply.head(keep_alive=keep_alive, method=request.method, chunked=False)
        except UnusableReply as error:
            reply = self._refuse_reply(call, error)
            head = reply.head(keep_alive=keep_alive, method=request.method, chunked=False)
        if not call.claim():
            call.surrender()
            return False
        connection.send(head if request.method == b"HEAD" else head + reply.body)
        if self._access_log:
            self._log_access(call, reply.status)
        if reply.on_close is not None:
            reply.close()
        return keep_alive

    def _refuse_reply(self, call: Call, error: UnusableReply) -> Reply:
        logs.write_line(
            2, "error", f"the handler's answer cannot be sent: {error}", call.request_id
        )
        return problem(500, "the Function gave no usable answer", call.request_id)

    def _answer_stream(self, call: Call, reply: Reply, context: Context) -> bool:
        """Send parts as they come; an error after the first one cuts the connection."""
        request, connection = call.request, call.connection
        # HTTP/1.0 knows no chunks: there the end of the connection ends the body.
        chunked = request.version == "1.1"
        keep_alive = chunked and connection.may_continue(request)
        try:
            parts = reply.stream
            # The head waits for the first part: until then a failure can still be a 500.
            part = context.run(next, parts, None)  # type: ignore[arg-type]
            head = reply.head(keep_alive=keep_alive, method=request.method, chunked=chunked)
        except DeadlineExceeded:
            raise
        except BaseException as error:  # noqa: BLE001  a generator is user code too
            logs.write_exception(error, call.request_id)
            return self._answer(call, problem(500, "the Function failed", call.request_id))
        if not call.claim():
            call.surrender()
            return False
        connection.send(head)
        call.open_stream()
        try:
            while part is not None and request.method != b"HEAD":
                if part:
                    connection.send(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                part = context.run(next, parts, None)  # type: ignore[arg-type]
            if not call.claim():
                call.surrender()
                return False
            if chunked and request.method != b"HEAD":
                connection.send(b"0\r\n\r\n")
        except (DeadlineExceeded, OSError) as error:
            if call.settled is not None:
                # The deadline has cut the connection under us.
                raise DeadlineExceeded from error
            raise
        except BaseException as error:  # noqa: BLE001  a generator is user code too
            logs.write_exception(error, call.request_id)
            connection.abort()
            return False
        finally:
            context.run(reply.close)
        return keep_alive

    def _log_access(self, call: Call, status: int) -> None:
        request = call.request
        milliseconds = (time.monotonic() - call.started) * 1000
        path = request.path.decode("latin-1")
        line = f'"{request.method.decode()} {path}" {status} {milliseconds:.1f}ms'
        logs.write_line(1, "info", line, call.request_id)


class MetricsApplication:
    """The other door: numbers and health for the node, never for callers."""

    def __init__(self, metrics: CallMetrics) -> None:
        self._metrics = metrics

    def serve(self, request: Request, connection: Connection) -> bool:
        """Answer `/metrics` and `/healthz`."""
        from casemate_runtime.metrics import CONTENT_TYPE  # noqa: PLC0415

        if request.method not in PROBES:
            reply = problem(405, "")
        elif request.path == b"/metrics":
            reply = Reply(200, self._metrics.render(), CONTENT_TYPE)
        elif request.path == b"/healthz":
            reply = text_reply(200, "OK")
        else:
            reply = problem(404, "")
        keep_alive = connection.may_continue(request)
        head = reply.head(keep_alive=keep_alive, method=request.method, chunked=False)
        connection.send(head if request.method == b"HEAD" else head + reply.body)
        return keep_alive
