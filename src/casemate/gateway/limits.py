"""Every bound of the gateway in one place, each with the reason for its size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from casemate.errors import InvalidInput


class InvalidLimit(InvalidInput):
    """A limit that does not exist, or whose value is no number above zero."""

    code: ClassVar[str] = "InvalidLimit"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a caller, or a Function, can make the gateway hold or wait for."""

    # Kyma's ingress and Node both stop at 16 to 64 KiB; tokens are 8 KiB at most.
    head_bytes: int = 32 * 1024
    head_fields: int = 100
    url_bytes: int = 8 * 1024
    # A slow head costs a connection and nothing else; ten seconds is generous for one packet.
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    # A body must bring this much per window, unless the Function itself is slow to read.
    body_window_seconds: float = 15.0
    body_window_bytes: int = 4 * 1024
    # Chunk sizes, extensions and trailers: framing may not outweigh content without end.
    framing_bytes: int = 64 * 1024
    # What is kept of a body while its request waits in the queue.
    body_buffer_bytes: int = 64 * 1024
    write_stall_seconds: float = 30.0
    linger_seconds: float = 2.0
    connections: int = 10_000
    # Requests that wait for a free slot of their Function; 64 KiB each at most.
    queue_slots: int = 256
    queue_seconds: float = 10.0
    # How long a request waits for a start, that of an idle Function included: heavy imports take
    # seconds. Never longer than the Function may take to answer.
    starting_seconds: float = 15.0
    connect_seconds: float = 5.0
    # The runtime answers its own timeout at once; this is how long it may be late with that.
    timeout_grace_seconds: float = 1.0
    upstream_idle_seconds: float = 30.0
    upstream_head_bytes: int = 64 * 1024
    upstream_interim_answers: int = 8
    drain_seconds: float = 30.0
    sweep_seconds: float = 0.2

    def changed(self, settings: Iterable[str]) -> Limits:
        """Return these limits with `name=number` settings applied; raises InvalidLimit."""
        kinds = {field.name: float if "float" in str(field.type) else int for field in fields(self)}
        changes: dict[str, float] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            try:
                changes[name] = value = kinds[name](text)
            except (KeyError, ValueError) as error:
                raise InvalidLimit(f"limit {setting!r} is not one of ours with a number") from error
            if not value > 0:
                raise InvalidLimit(f"limit {setting!r} must be above zero")
        # mypy cannot see that each value has the type of its field; `kinds` made it so.
        return replace(self, **changes)  # type: ignore[arg-type]
