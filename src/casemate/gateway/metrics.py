"""Prometheus metrics of the gateway, on an address of their own and never on the public one.

Counting happens in plain integers (`Tally`, `Gateway.denials`); this module turns them into text
when somebody asks, so that a request does not pay for metrics that nobody reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from casemate.gateway.tally import BUCKETS_SECONDS

if TYPE_CHECKING:
    from casemate.gateway.core import Gateway

_MAX_REQUEST_BYTES = 8 * 1024


class GatewayCollector(Collector):
    """Reads the gateway's counters at the moment of a scrape."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterable[Metric]:
        """Yield every metric family."""
        gateway = self._gateway
        labels = ["namespace", "function"]
        requests = CounterMetricFamily(
            "casemate_gateway_requests", "Finished requests.", labels=[*labels, "code"]
        )
        seconds = HistogramMetricFamily(
            "casemate_gateway_request_duration_seconds", "Time to the last byte.", labels=labels
        )
        in_flight = GaugeMetricFamily(
            "casemate_gateway_in_flight", "Requests with instances.", labels=labels
        )
        queued = GaugeMetricFamily(
            "casemate_gateway_queued", "Requests waiting for a slot.", labels=labels
        )
        for key, lane in gateway.lanes.items():
            names = key.decode().split("/")
            for status, number in lane.tally.by_status.items():
                requests.add_metric([*names, str(status or "gone")], number)
            seconds.add_metric(names, *_histogram(lane.tally.buckets, lane.tally.seconds))
            in_flight.add_metric(names, lane.in_flight)
            queued.add_metric(names, lane.queued)
        denials = CounterMetricFamily(
            "casemate_gateway_denials", "Refused requests.", labels=["reason"]
        )
        for reason, number in gateway.denials.items():
            denials.add_metric([reason], number)
        failures = CounterMetricFamily(
            "casemate_gateway_failures", "Defects that became refusals.", labels=["error"]
        )
        for name, number in gateway.failures.items():
            failures.add_metric([name], number)
        connections = GaugeMetricFamily(
            "casemate_gateway_connections", "Open connections.", value=len(gateway.clients)
        )
        return (requests, seconds, in_flight, queued, denials, failures, connections)


def _histogram(buckets: list[int], seconds: float) -> tuple[list[tuple[str, float]], float]:
    total = 0
    cumulative: list[tuple[str, float]] = []
    for bound, number in zip([*map(str, BUCKETS_SECONDS), "+Inf"], buckets, strict=True):
        total += number
        cumulative.append((bound, float(total)))
    return cumulative, seconds


class MetricsConnection(asyncio.Protocol):
    """Answers `GET /metrics` and `GET /healthz`, once per connection."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, received: bytes) -> None:
        """Answer as soon as the head is complete."""
        self._received += received
        if b"\r\n\r\n" in self._received:
            self._answer(self._received.split(b" ", 2)[:2])
        elif len(self._received) > _MAX_REQUEST_BYTES:
            self._transport.close()

    def _answer(self, line: list[bytes]) -> None:
        if line == [b"GET", b"/metrics"]:
            status, body = b"200 OK", generate_latest(self._registry)
        elif line == [b"GET", b"/healthz"]:
            status, body = b"200 OK", b"ok\n"
        else:
            status, body = b"404 Not Found", b"not found\n"
        self._transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self._transport.close()


def metrics_registry(gateway: Gateway) -> CollectorRegistry:
    """Make the registry that a metrics connection answers from."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(GatewayCollector(gateway))
    return registry
