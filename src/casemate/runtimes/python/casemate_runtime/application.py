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
from casemate_runtime.streaming import StreamedAnswer

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
        self._keeper.begin(call)
        context = self._context.copy()
        try:
            return self._reply_to(call, context, context.run(self._run_handler, call))
        except DeadlineExceeded as error:
            self._count(call, failed=True)
            call.surrender()
            logs.write_line(2, "error", "took too long and was stopped", call.request_id)
            logs.write_exception(error, call.request_id)
            return False
        except OSError:
            # The caller is gone.
            raise
        except Exception as error:  # noqa: BLE001  this request's fault must stay its own
            self._count(call, failed=True)
            logs.write_exception(error, call.request_id)
            call.connection.abort()
            return False
        finally:
            self._keeper.in_flight.pop(call, None)
            call.finished = True

    def _reply_to(self, call: Call, context: Context, reply: Reply) -> bool:
        if self._forked:
            # ATTACK: a forked child that returns would answer this request a second time, on the
            # same socket. test_forked_child_does_not_answer
            os._exit(0)
        if reply.stream is not None:
            stream = StreamedAnswer(call, reply, context)
            if stream.begins():
                self._count(call)
                return stream.send()
            reply = problem(500, "the Function failed", call.request_id)
            reply.failed = True
        return self._answer(call, reply)

    def _count(self, call: Call, *, failed: bool = False) -> None:
        """Count a call once, before its answer is sent; a failure after that is added."""
        method = call.request.method
        if not call.counted:
            call.counted = True
            self._metrics.record(method, time.monotonic() - call.started, failed=failed)
        elif failed:
            self._metrics.record_failure(method)

    def _run_handler(self, call: Call) -> Reply:
        """Call user code; whatever it raises becomes a reply here."""
        logs.request_in_hand.set(call.request_id)
        try:
            return self._invoke(call)
        except DeadlineExceeded:
            raise
        except BaseException as error:  # noqa: BLE001  SystemExit of a handler ends no server
            if not self._forked:
                logs.write_exception(error)
            reply = problem(500, "the Function failed", call.request_id)
            reply.failed = True
            return reply
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
        self._count(call, failed=reply.failed)
        if not call.claim():
            raise DeadlineExceeded
        connection.send(head if request.method == b"HEAD" else head + reply.body)
        if self._access_log:
            self._log_access(call, reply.status)
        return keep_alive

    def _refuse_reply(self, call: Call, error: UnusableReply) -> Reply:
        logs.write_line(
            2, "error", f"the handler's answer cannot be sent: {error}", call.request_id
        )
        refused = problem(500, "the Function gave no usable answer", call.request_id)
        refused.failed = True
        return refused

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
