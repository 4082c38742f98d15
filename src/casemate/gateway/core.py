"""What all connections of the gateway share: the routes of the moment, lanes, callers, counters.

One object, one event loop, no locks. `swap` is the only place where routes change, and it does so
between two requests: table, keys and lanes move together or not at all.
"""

from __future__ import annotations

import asyncio
import secrets
from itertools import count
from typing import TYPE_CHECKING, Any

from casemate.gateway.bearer import BearerCheck
from casemate.gateway.lanes import Lane
from casemate.gateway.signals import Signals

if TYPE_CHECKING:
    from casemate.gateway.admission import Refusal
    from casemate.gateway.client import ClientConnection
    from casemate.gateway.exchange import Exchange
    from casemate.gateway.limits import Limits
    from casemate.gateway.routes import RouteTable

# A flood of refusals must not become a flood of log lines; the metrics count every one.
DENIAL_LINES_PER_SECOND = 20
# An idle time is counted in whole seconds; half of one is soon enough to hear of activity.
ACTIVITY_SECONDS = 0.5


class Gateway:
    """Shared state of one gateway process."""

    def __init__(
        self,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        log: Any,
        *,
        logs_access: bool = False,
        hosts: frozenset[bytes] = frozenset(),
    ) -> None:
        self.limits = limits
        self.loop = loop
        self.hosts = hosts
        self.logs_access = logs_access
        self.draining = False
        self.table: RouteTable | None = None
        self.lanes: dict[bytes, Lane] = {}
        self.bearer = BearerCheck()
        self.signals = Signals()
        self.clients: set[ClientConnection] = set()
        self.denials: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self._log = log
        self._ids = count(1)
        # Tells processes apart; nothing is decided by it, so guessing one gains nothing.
        self._id_prefix = secrets.token_hex(5)
        self._denial_second = 0
        self._denial_lines = 0
        self._reported = 0.0

    def swap(self, table: RouteTable) -> None:
        """Serve by `table` from the next request on."""
        self.bearer.trust(table.issuer, table.keys)
        self.table = table
        for key in self.lanes.keys() - table.by_key.keys():
            self.lanes.pop(key).close()
        for key, route in table.by_key.items():
            lane = self.lanes.get(key)
            if lane is None:
                self.lanes[key] = Lane(route, self.limits, self.loop, self.signals)
            elif lane.route != route:
                lane.follow(route)

    def next_request_id(self) -> str:
        """Return an id that no other request of this process has, at the cost of a counter."""
        return f"{self._id_prefix}-{next(self._ids):x}"

    def sweep(self) -> None:
        """Act on every deadline that has passed."""
        now = self.loop.time()
        for client in tuple(self.clients):
            client.sweep(now)
        for lane in tuple(self.lanes.values()):
            lane.sweep(now)
        if now - self._reported >= ACTIVITY_SECONDS:
            self._reported = now
            self.signals.report(self.lanes)

    def drain(self) -> None:
        """Answer what was asked, close what is idle."""
        self.draining = True
        for client in tuple(self.clients):
            client.close_if_idle()

    def report_denial(self, request_id: str, refusal: Refusal) -> None:
        """Count a refusal and log it, up to a number of lines per second."""
        self.denials[refusal.reason] = self.denials.get(refusal.reason, 0) + 1
        second = int(self.loop.time())
        if second != self._denial_second:
            self._denial_second, self._denial_lines = second, 0
        self._denial_lines += 1
        if self._denial_lines <= DENIAL_LINES_PER_SECOND:
            self._log.info(
                "refused",
                request_id=request_id,
                function=refusal.key.decode(),
                status=refusal.problem.status,
                code=refusal.problem.code,
                reason=refusal.reason,
            )

    def report_failure(self, where: str, error: Exception) -> None:
        """Count and log a defect of ours; the message may quote input, so only the type is kept."""
        name = type(error).__name__
        self.failures[name] = self.failures.get(name, 0) + 1
        self._log.error("failed", where=where, error=name)

    def report_access(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Log one finished request: no query, no header, no body."""
        self._log.info(
            "served",
            request_id=exchange.request_id,
            method=exchange.head.method.decode("ascii", "replace"),
            path=exchange.head.url.partition(b"?")[0].decode("ascii", "replace"),
            status=status,
            ms=round(seconds * 1000, 3),
        )
