"""CloudEvents over HTTP, received: binary, structured and batch.

Attributes are read here, so that most Functions never load a library. An event gives its attributes
as `ce-<name>` and its data; a batch gives only data, the list of its events. What looks like an
event and is none is the caller's mistake: 400, not an exception in the handler.
"""

from __future__ import annotations

import base64
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from casemate_runtime.request import Request

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


class BadBody(Exception):
    """The body is not what its content type says."""


def is_cloudevent(request: Request) -> bool:
    """Whether the request carries an event, whole or as a batch."""
    fields = request.fields
    if b"ce-type" in fields and b"ce-source" in fields:
        return True
    return request.media_type in {STRUCTURED, BATCH}


def parse_cloudevent(request: Request) -> dict[str, Any]:
    """Return `data` and, unless it is a batch, the attributes as `ce-<name>`."""
    media_type = request.media_type
    if media_type == BATCH:
        events = parse_json(request.body)
        if not isinstance(events, list):
            raise BadBody("the batch is not a list of events")
        return {"data": events}
    if media_type == STRUCTURED:
        return _structured(request.body)
    return _binary(request)


def parse_json(body: bytes | bytearray) -> Any:
    """Read JSON or say that it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # ATTACK: `[[[[...` overflows the parser's recursion; that is bad input, not our failure.
        raise BadBody("the body is not valid JSON") from None


def _structured(body: bytes | bytearray) -> dict[str, Any]:
    event = parse_json(body)
    if not isinstance(event, dict) or not event.get("type") or not event.get("source"):
        raise BadBody("the CloudEvent lacks type or source")
    data = event.pop("data", None)
    encoded = event.pop("data_base64", None)
    if encoded is not None:
        try:
            data = base64.b64decode(encoded, validate=True)
        except (ValueError, TypeError):
            raise BadBody("data_base64 of the CloudEvent is not base64") from None
    return _named(event, data)


def _binary(request: Request) -> dict[str, Any]:
    from urllib.parse import unquote  # noqa: PLC0415  only events pay for it

    attributes = {
        name[3:].decode("latin-1"): unquote(value.decode("latin-1"))
        for name, value in request.fields.items()
        if name.startswith(b"ce-")
    }
    content_type = request.fields.get(b"content-type")
    if content_type is not None:
        attributes["datacontenttype"] = content_type.decode("latin-1")
    try:
        data: Any = json.loads(request.body)
    except (ValueError, RecursionError):
        # As the CloudEvents library does for Kyma: what is no JSON stays bytes.
        data = request.body
    return _named(attributes, data)


def _named(attributes: dict[str, Any], data: Any) -> dict[str, Any]:
    """Fill in what the sender left out, as the library does."""
    event = {f"ce-{name}": value for name, value in attributes.items()}
    event.setdefault("ce-specversion", "1.0")
    event.setdefault("ce-id", os.urandom(16).hex())
    event.setdefault("ce-time", timestamp())
    event["data"] = data
    return event


def timestamp() -> str:
    """Now, in RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
