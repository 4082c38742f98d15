"""CloudEvents sent to the publisher: built, checked, and delivered or refused out loud.

Kyma ignores what the publisher answers, so an event could be lost without a trace; here a handler
learns of it by an exception. `requests` is used because its calls carry the trace headers.
"""

from __future__ import annotations

import base64
import json
import os
import re

from casemate_runtime.cloudevent import STRUCTURED, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# The rule of the specification, section "Naming conventions".
ATTRIBUTE_NAME = re.compile(r"[a-z0-9]{1,20}")
REQUIRED = ("id", "source", "specversion", "type")
PUBLISH_SECONDS = 10
ERROR_STATUS = 400


class InvalidEvent(ValueError):
    """An attribute of an event to be sent breaks the specification."""


class PublishError(RuntimeError):
    """The publisher did not take the event."""


def build_event(
    event_type: str, source: str, data: object, attributes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe the event in the JSON format, with id and time where they are missing."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": os.urandom(16).hex(),
        "time": timestamp(),
        "type": event_type,
        "source": source,
        **(attributes or {}),
    }
    for name, value in event.items():
        if not isinstance(name, str) or not ATTRIBUTE_NAME.fullmatch(name):
            raise InvalidEvent(f"attribute name {name!r} is not lower-case letters and digits")
        if hasattr(value, "isoformat"):
            event[name] = value.isoformat()
        elif not isinstance(value, str | int | bool):
            raise InvalidEvent(f"attribute {name} must be text, a number or a boolean")
    for name in REQUIRED:
        if not isinstance(event[name], str) or not event[name]:
            raise InvalidEvent(f"attribute {name} must be text and not empty")
    if isinstance(data, bytes | bytearray):
        event["data_base64"] = base64.b64encode(data).decode()
    elif data is not None:
        event["data"] = data
        if isinstance(data, dict | list):
            event.setdefault("datacontenttype", "application/json")
    return event


def send_event(address: str, event: Mapping[str, Any]) -> Any:
    """Deliver one event; raises PublishError unless the publisher accepts it."""
    import requests  # noqa: PLC0415  10 MB that only publishers pay

    body = json.dumps(event, default=str).encode()
    try:
        response = requests.post(
            address, data=body, headers={"Content-Type": STRUCTURED}, timeout=PUBLISH_SECONDS
        )
    except requests.RequestException as error:
        raise PublishError(f"the publisher did not answer: {type(error).__name__}") from error
    if response.status_code >= ERROR_STATUS:
        raise PublishError(f"the publisher answered {response.status_code}")
    return response
