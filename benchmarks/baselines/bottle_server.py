"""Baseline: hello world on bottle + cheroot, designed as Kyma's python312 runtime is.

Facts taken over from components/runtimes/python312 (server.py, lib/tracing.py) of
kyma-project/serverless, as of 65ec747: 50 cheroot threads, a fresh thread and a queue per request
for the timeout, Prometheus counters and histogram per method, a CloudEvent-shaped event around a
request object of its own, and in the new thread the caller's trace context, read by the three
propagators that its image sets (tracecontext, baggage, b3multi). The access log is off, as it is
there by default. No sandbox, no token. Runs on the runtime's own base layer, so that both sides
import the same library versions.
"""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bottle
import prometheus_client
from opentelemetry import context, trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON

CALLS = prometheus_client.Counter("function_calls_total", "calls", ["method"])
FAILURES = prometheus_client.Counter("function_failures_total", "failures", ["method"])
DURATION = prometheus_client.Histogram("function_duration_seconds", "duration", ["method"])
TIMEOUT_SECONDS = 180.0
EVENT_HEADERS = (
    "ce-type",
    "ce-source",
    "ce-eventtypeversion",
    "ce-specversion",
    "ce-id",
    "ce-time",
)

trace.set_tracer_provider(TracerProvider(resource=Resource.create(), sampler=DEFAULT_ON))
TRACER = trace.get_tracer("baseline")
application = bottle.Bottle()


def main(event: dict[str, object], about: dict[str, object]) -> str:
    """The Function under test."""
    return "hello world"


def own_request() -> bottle.BaseRequest:
    """Copy the request with its body, so that the Function may keep it."""
    body = bottle.request.body.read()
    environ = dict(bottle.request.environ)
    environ["wsgi.input"] = io.BytesIO(body)
    return bottle.BaseRequest(environ)


@contextmanager
def trace_of(request: bottle.BaseRequest) -> Iterator[None]:
    """Put the caller's trace context into this thread: contexts do not cross threads."""
    parent = trace.get_current_span(extract(request.headers)).get_span_context()
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    try:
        yield
    finally:
        context.detach(token)


@application.route("/<:re:.*>", method=["GET", "POST", "PATCH", "DELETE"])
def serve() -> object:
    """One call: event, thread, queue, metrics, span."""
    request = own_request()
    event: dict[str, object] = {name: request.get_header(name) for name in EVENT_HEADERS}
    event["data"] = request.body.read()
    event["tracer"] = TRACER
    event["extensions"] = {"request": request}
    answers: queue.Queue[object] = queue.Queue()

    def work() -> None:
        with trace_of(request):
            answers.put(main(event, {"function-name": "hello", "timeout": TIMEOUT_SECONDS}))

    method = request.method
    CALLS.labels(method).inc()
    with FAILURES.labels(method).count_exceptions(), DURATION.labels(method).time():
        worker = threading.Thread(target=work)
        worker.start()
        answer = answers.get(timeout=TIMEOUT_SECONDS)
        worker.join()
    return answer


if __name__ == "__main__":
    sys.stderr.write("listening\n")
    bottle.run(
        application,
        server="cheroot",
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        numthreads=50,
        quiet=True,
    )
