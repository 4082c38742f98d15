"""Baseline: hello world on bottle + cheroot, designed as Kyma's python312 runtime is.

Facts taken over from components/runtimes/python312 of kyma-project/serverless: 50 cheroot threads,
a fresh thread and a queue per request for the timeout, Prometheus counters and histogram per
method, an OpenTelemetry span around each call, a CloudEvent-shaped event. No sandbox, no token.
Runs on the runtime's own base layer, so that both sides import the same library versions.
"""

from __future__ import annotations

import os
import queue
import sys
import threading

import bottle
import prometheus_client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

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

trace.set_tracer_provider(TracerProvider())
TRACER = trace.get_tracer("baseline")
application = bottle.Bottle()


def main(event: dict[str, object], context: dict[str, object]) -> str:
    """The Function under test."""
    return "hello world"


@application.route("/<:re:.*>", method=["GET", "POST", "PATCH", "DELETE"])
def serve() -> object:
    """One call: event, thread, queue, metrics, span."""
    request = bottle.request.copy()
    event: dict[str, object] = {name: request.get_header(name) for name in EVENT_HEADERS}
    event["data"] = request.body.read()
    event["tracer"] = TRACER
    event["extensions"] = {"request": request}
    answers: queue.Queue[object] = queue.Queue()

    def work() -> None:
        with TRACER.start_as_current_span("userFunction"):
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
