"""A lane per Function: its instances, a bounded number of requests in flight, a bounded queue.

Routes are immutable and come and go with snapshots; a lane stays and keeps connections and waiting
requests across them. No more than `concurrency` requests are under way on one socket, the rest wait
in order, and whoever would make the queue too long is told so at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from casemate.gateway.problems import (
    CONNECT_TIMEOUT,
    FUNCTION_DRAINING,
    FUNCTION_FAILED,
    FUNCTION_STARTING,
    INSTANCE_LOST,
    QUEUE_TIMEOUT,
    TOO_MANY_REQUESTS,
    Problem,
)
from casemate.gateway.routes import Route, RouteState
from casemate.gateway.tally import Tally
from casemate.gateway.upstream import UpstreamConnection

if TYPE_CHECKING:
    from casemate.gateway.exchange import Exchange
    from casemate.gateway.limits import Limits
    from casemate.gateway.signals import Signals

# A wish that is not answered by a new route is said again; the engine ignores what it knows.
_WAKE_AGAIN_SECONDS = 1.0
_WAITING_FOR_START = frozenset({RouteState.STARTING, RouteState.IDLE})


class Endpoint:
    """One listening socket of one Function and the connections to it."""

    __slots__ = ("idle", "in_flight", "path", "retired")

    def __init__(self, path: str) -> None:
        self.path = path
        self.in_flight = 0
        self.idle: list[UpstreamConnection] = []
        self.retired = False

    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that closed while it waited."""
        if connection in self.idle:
            self.idle.remove(connection)

    def close_idle(self, since: float) -> None:
        """Close what has waited unused since before `since`; the list is oldest first."""
        while self.idle and self.idle[0].idle_since <= since:
            self.idle.pop(0).leave()

    def retire(self, signals: Signals) -> None:
        """Take no further request; what is under way ends in its time."""
        self.retired = True
        self.close_idle(float("inf"))
        if self.in_flight:
            signals.left(self.path)


class Lane:
    """Where the requests of one Function wait, and from where they are sent."""

    __slots__ = (
        "_closed",
        "_connecting",
        "_endpoints",
        "_limits",
        "_loop",
        "_queue",
        "_signals",
        "_woken_at",
        "route",
        "tally",
    )

    def __init__(
        self, route: Route, limits: Limits, loop: asyncio.AbstractEventLoop, signals: Signals
    ) -> None:
        self._limits = limits
        self._loop = loop
        self._signals = signals
        self._woken_at = float("-inf")
        self._closed = False
        self._queue: deque[Exchange] = deque()
        self._endpoints = [Endpoint(path) for path in route.sockets]
        self._connecting: set[asyncio.Task[None]] = set()
        self.route = route
        self.tally = Tally()

    @property
    def in_flight(self) -> int:
        """Return how many requests are with instances now."""
        return sum(endpoint.in_flight for endpoint in self._endpoints)

    @property
    def queued(self) -> int:
        """Return how many requests wait."""
        return len(self._queue)

    def follow(self, route: Route) -> None:
        """Take the route of a new snapshot: new sockets, another state, perhaps free slots."""
        self.route = route
        self._woken_at = float("-inf")
        known = {endpoint.path: endpoint for endpoint in self._endpoints}
        self._endpoints = [
            known.pop(path) if path in known else Endpoint(path) for path in route.sockets
        ]
        for endpoint in known.values():
            endpoint.retire(self._signals)
        if route.state is RouteState.FAILED:
            self._refuse_all(FUNCTION_FAILED, route.reason)
        elif route.state is RouteState.DRAINING:
            self._refuse_all(FUNCTION_DRAINING, route.reason)
        else:
            self._send_waiting()
            self._wake()

    def close(self) -> None:
        """Refuse whoever waits and close what is idle: the Function is gone."""
        self._closed = True
        self._refuse_all(FUNCTION_DRAINING, "")
        for endpoint in self._endpoints:
            endpoint.retire(self._signals)

    def submit(self, exchange: Exchange) -> Problem | None:
        """Send the request, or let it wait, or say why it can do neither."""
        self._signals.active.add(self.route.key)
        if not self._queue:
            endpoint = self._free_endpoint()
            if endpoint is not None:
                self._dispatch(endpoint, exchange)
                return None
        if len(self._queue) >= self._limits.queue_slots:
            return TOO_MANY_REQUESTS
        exchange.deadline = self._loop.time() + self._longest_wait()
        self._queue.append(exchange)
        self._wake()
        return None

    def withdraw(self, exchange: Exchange) -> Problem | None:
        """Take a waiting request out; returns why it had to wait, or None if it did not."""
        if exchange not in self._queue:
            return None
        self._queue.remove(exchange)
        return FUNCTION_STARTING if self.route.state in _WAITING_FOR_START else QUEUE_TIMEOUT

    def redial(self, endpoint: Endpoint, exchange: Exchange) -> None:
        """Send once more, on a fresh connection, in the slot that the request already has."""
        self._connect(endpoint, exchange)

    def release(self, endpoint: Endpoint, connection: UpstreamConnection | None) -> None:
        """Give a slot back, with its connection if it can be used again."""
        endpoint.in_flight -= 1
        if endpoint.retired and not endpoint.in_flight:
            self._signals.released(endpoint.path)
        if connection is not None:
            connection.exchange = None
            if endpoint.retired or not connection.is_usable:
                connection.leave()
            else:
                connection.reused = True
                connection.transport.resume_reading()
                connection.idle_since = self._loop.time()
                endpoint.idle.append(connection)
        self._send_waiting()

    def sweep(self, now: float) -> None:
        """Close connections that nobody needed for a while."""
        for endpoint in self._endpoints:
            endpoint.close_idle(now - self._limits.upstream_idle_seconds)
        if self._queue:
            self._wake()

    def _longest_wait(self) -> float:
        if self.route.state in _WAITING_FOR_START:
            return min(self._limits.starting_seconds, self.route.timeout_seconds)
        return self._limits.queue_seconds

    def _wake(self) -> None:
        """Ask for an instance while somebody waits for one."""
        if self.route.state is not RouteState.IDLE or not self._queue:
            return
        now = self._loop.time()
        if now - self._woken_at >= _WAKE_AGAIN_SECONDS:
            self._woken_at = now
            self._signals.wake(self.route.key)

    def _free_endpoint(self) -> Endpoint | None:
        if self.route.state is not RouteState.READY or not self._endpoints:
            return None
        endpoint = self._endpoints[0]
        if len(self._endpoints) > 1:
            endpoint = min(self._endpoints, key=lambda candidate: candidate.in_flight)
        return endpoint if endpoint.in_flight < self.route.concurrency else None

    def _send_waiting(self) -> None:
        while self._queue:
            endpoint = self._free_endpoint()
            if endpoint is None:
                return
            self._dispatch(endpoint, self._queue.popleft())

    def _refuse_all(self, problem: Problem, reason: str) -> None:
        waiting, self._queue = self._queue, deque()
        for exchange in waiting:
            exchange.refuse(problem, reason)

    def _dispatch(self, endpoint: Endpoint, exchange: Exchange) -> None:
        endpoint.in_flight += 1
        while endpoint.idle:
            connection = endpoint.idle.pop()
            if connection.is_usable:
                exchange.on_connected(connection)
                return
        exchange.on_dialling()
        self._connect(endpoint, exchange)

    def _connect(self, endpoint: Endpoint, exchange: Exchange) -> None:
        task = self._loop.create_task(self._dial(endpoint, exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _dial(self, endpoint: Endpoint, exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                _, connection = await self._loop.create_unix_connection(
                    lambda: UpstreamConnection(endpoint, self._limits), endpoint.path
                )
        except TimeoutError:
            self._give_up(endpoint, exchange, CONNECT_TIMEOUT)
        except OSError:
            self._give_up(endpoint, exchange, INSTANCE_LOST)
        else:
            if exchange.is_over:
                self.release(endpoint, connection)
            else:
                exchange.on_connected(connection)

    def _give_up(self, endpoint: Endpoint, exchange: Exchange, problem: Problem) -> None:
        if not exchange.is_over:
            if endpoint.retired and not self._closed:
                # Its instance was replaced while we dialled, and has seen nothing of the request.
                exchange.deadline = self._loop.time() + self._longest_wait()
                self._queue.appendleft(exchange)
                self._wake()
            else:
                exchange.refuse(problem, "")
        self.release(endpoint, None)
