"""Trace context in and out, and the tracer that user code may ask for.

Without a collector nothing is recorded, so nothing is loaded: incoming trace headers (W3C or B3)
are handed on unchanged to calls made with `requests`. With TRACE_COLLECTOR_ENDPOINT, or when user
code asks for a tracer, OpenTelemetry is set up as Kyma does, but exports in batches: a slow
collector must not slow the Function.
"""

from __future__ import annotations

import os
import sys
import threading
from contextvars import ContextVar
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from casemate_runtime.request import Request
    from casemate_runtime.settings import Settings

TRACER_NAME = "io.kyma-project.serverless"
PROPAGATORS = "tracecontext,baggage,b3multi"
EXPORT_MILLISECONDS = 2000
TRACE_HEADERS = (
    b"traceparent",
    b"tracestate",
    b"baggage",
    b"b3",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-parentspanid",
    b"x-b3-sampled",
    b"x-b3-flags",
)

incoming: ContextVar[dict[str, str] | None] = ContextVar("casemate_trace_headers", default=None)


class Tracing:
    """Passes trace context through, cheaply until more is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tracer: Any = None
        self._provider: Any = None
        self._setting_up = threading.Lock()
        if settings.trace_endpoint:
            self.tracer()
        else:
            sys.meta_path.insert(0, _RequestsHook(self))

    @property
    def active(self) -> bool:
        """Whether OpenTelemetry is set up."""
        return self._tracer is not None

    def enter(self, request: Request) -> None:
        """Make the caller's trace the current one of this request's context."""
        fields = request.fields
        if not (b"traceparent" in fields or b"b3" in fields or b"x-b3-traceid" in fields):
            return
        headers = {
            name.decode(): fields[name].decode("latin-1")
            for name in TRACE_HEADERS
            if name in fields
        }
        incoming.set(headers)
        if self._tracer is not None:
            _attach(headers)

    def tracer(self) -> Any:
        """Return the configured tracer; the first caller pays for setting it up."""
        with self._setting_up:
            if self._tracer is None:
                self._tracer = self._set_up()
                headers = incoming.get()
                if headers:
                    _attach(headers)
        return self._tracer

    def _set_up(self) -> Any:
        os.environ.setdefault("OTEL_PROPAGATORS", PROPAGATORS)
        os.environ.setdefault("OTEL_SERVICE_NAME", self._settings.function_name or "function")
        os.environ.setdefault("OTEL_PYTHON_REQUESTS_EXCLUDED_URLS", "healthz,favicon.ico,metrics")
        from opentelemetry import trace  # noqa: PLC0415  20 MB that only tracing pays
        from opentelemetry.instrumentation.requests import RequestsInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import DEFAULT_ON  # noqa: PLC0415

        provider = TracerProvider(resource=Resource.create(), sampler=DEFAULT_ON)
        endpoint = self._settings.trace_endpoint
        if endpoint:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            exporter = OTLPSpanExporter(endpoint=endpoint)
            provider.add_span_processor(
                BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_MILLISECONDS)
            )
        trace.set_tracer_provider(provider)
        RequestsInstrumentor().instrument()
        self._provider = provider
        return trace.get_tracer(TRACER_NAME)

    def flush(self) -> None:
        """Export what is still waiting; bounded."""
        if self._provider is not None:
            self._provider.force_flush(EXPORT_MILLISECONDS)


def _attach(headers: dict[str, str]) -> None:
    from opentelemetry import context, propagate  # noqa: PLC0415

    # Never detached: the context variable belongs to this request's own copy of the context.
    context.attach(propagate.extract(headers))


class _RequestsHook:
    """Lets the first import of `requests` hand trace headers on from then on."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "requests.sessions" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _patch(self, sessions: Any) -> None:
        tracing = self._tracing
        original = sessions.Session.send

        def send(session: Any, request: Any, **options: Any) -> Any:
            headers = incoming.get()
            if headers and not tracing.active:
                for name, value in headers.items():
                    request.headers.setdefault(name, value)
            return original(session, request, **options)

        sessions.Session.send = send
