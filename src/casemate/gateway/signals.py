"""What lanes tell the engine: who is wanted, who was active, which old sockets are left in peace.

Nothing here decides anything: the engine starts and stops instances. A request costs one insertion
into a set; what gathers is sent in batches, and a word that gets lost is said again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from casemate.gateway.lanes import Lane

# One line stays far below what the engine reads at once, however many Functions are active.
_KEYS_PER_LINE = 1000


class Say(Protocol):
    """Sends one message to the engine."""

    def __call__(self, **members: object) -> None:
        """Send the members as one line."""


class Signals:
    """Gathers messages until `attach` says where they go; before that they are dropped."""

    __slots__ = ("_busy", "_say", "active")

    def __init__(self) -> None:
        self._say: Say | None = None
        self._busy: list[str] = []
        self.active: set[bytes] = set()
        """Functions that were asked for something since the last report."""

    def attach(self, say: Say) -> None:
        """Send to the engine from now on."""
        self._say = say

    def wake(self, key: bytes) -> None:
        """Ask for an instance of an idle Function."""
        if self._say is not None:
            self._say(wake=key.decode())

    def left(self, path: str) -> None:
        """Note a socket that gets no new request but still works on old ones."""
        self._busy.append(path)

    def released(self, path: str) -> None:
        """Tell that the last request on a socket that was left has ended."""
        if path in self._busy:
            # Left and released within one snapshot: the acknowledgement need not name it.
            self._busy.remove(path)
        elif self._say is not None:
            self._say(released=path)

    def take_busy(self) -> list[str]:
        """Return the sockets left since the last call, for the acknowledgement of a snapshot."""
        busy, self._busy = self._busy, []
        return busy

    def report(self, lanes: Mapping[bytes, Lane]) -> None:
        """Tell who was active; whoever still works stays on the list."""
        if not self.active or self._say is None:
            return
        told, self.active = self.active, set()
        self.active.update(_working(told, lanes))
        keys = [key.decode() for key in told]
        for first in range(0, len(keys), _KEYS_PER_LINE):
            self._say(active=keys[first : first + _KEYS_PER_LINE])


def _working(keys: Iterable[bytes], lanes: Mapping[bytes, Lane]) -> Iterable[bytes]:
    for key in keys:
        lane = lanes.get(key)
        if lane is not None and (lane.in_flight or lane.queued):
            yield key
