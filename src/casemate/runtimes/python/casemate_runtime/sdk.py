"""The module that python314 handlers import as `sdk`: tracer, CloudEvents, metadata."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from casemate_runtime.settings import Settings
    from casemate_runtime.tracing import Tracing

_settings: Any = None
_tracing: Any = None


def configure(settings: Settings, tracing: Tracing) -> None:
    """Tell the module whose Function it serves; called once, by the server."""
    global _settings, _tracing
    _settings, _tracing = settings, tracing


def get_request() -> Any:
    """Return the request of the current call."""
    import flask  # noqa: PLC0415

    return flask.request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001


def get_tracer() -> Any:
    """Return the OpenTelemetry tracer of this Function."""
    return _tracing.tracer()


def get_cloud_event() -> Any:
    """Read the request as a CloudEvent; None if it is none."""
    import flask  # noqa: PLC0415

    request = flask.request
    structured = "application/cloudevents+json" in (request.content_type or "").split(";")
    if not structured and not ("ce-type" in request.headers and "ce-source" in request.headers):
        return None
    from cloudevents.core.bindings.http import HTTPMessage, from_http_event  # noqa: PLC0415

    # The library looks names up in lower case.
    headers = {name.lower(): value for name, value in request.headers}
    return from_http_event(HTTPMessage(headers=headers, body=request.get_data()))


def emit_cloud_event(
    type: str,  # noqa: A002  Kyma's name
    source: str,
    data: object,
    optional_attributes: dict[str, Any] | None = None,
) -> None:
    """Send one CloudEvent to the publisher; raises if it is not accepted."""
    from casemate_runtime.publish import build_event, send_event  # noqa: PLC0415

    send_event(_settings.publisher_address, build_event(type, source, data, optional_attributes))


def get_function_name() -> str:
    """Return the Function's name."""
    return str(_settings.function_name)


def get_namespace() -> str:
    """Return the Function's namespace."""
    return str(_settings.namespace)


def get_runtime() -> str:
    """Return the runtime's name, for example `python314`."""
    return str(_settings.runtime)


def get_timeout() -> float:
    """Return how many seconds a call may take."""
    seconds = float(_settings.timeout_seconds)
    return int(seconds) if seconds.is_integer() else seconds


def get_body_size_limit() -> int:
    """Return the limit of a request's body in bytes."""
    return int(_settings.body_limit_bytes)
