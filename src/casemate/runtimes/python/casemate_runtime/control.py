"""The one-way stream of events to the node: one JSON object a line.

A node that is gone, or a stream that user code closed, is no reason to fail a request: writing is
best effort. Nothing is ever read from it.
"""

from __future__ import annotations

import json
import os
import threading


class ControlChannel:
    """Writes events to the node's descriptor; silent where there is none."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        if descriptor is not None:
            os.set_inheritable(descriptor, False)  # noqa: FBT003

    def send(self, event: str, **fields: str) -> None:
        """Write one event whole, or not at all."""
        if self._descriptor is None:
            return
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        with self._lock:
            try:
                os.write(self._descriptor, line)
            except OSError:
                self._descriptor = None
