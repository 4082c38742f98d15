"""What the gateway is told: one row per Function, whole snapshots, numbered.

A Function that is not ready has a row too, so that a caller who may call it hears "starting" or why
it failed, and one who may not cannot tell it from a Function that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from casemate.api.effective import request_limit_bytes, scaling_bounds, timeout_seconds
from casemate.api.function import Function
from casemate.controller.observation import Configured, Observed
from casemate.engine.gateway_link import GatewayLink
from casemate.identity.tokens import function_audience

_STATES = {
    "Ready": "ready",
    "Pending": "starting",
    "Starting": "starting",
    "NotReady": "starting",
    "Draining": "draining",
    "ScaledToZero": "idle",
}


def route_row(
    function: Function,
    issuer: str,
    *,
    observed: Observed,
    configured: Configured | None,
    sockets: Iterable[str],
) -> dict[str, Any]:
    """Describe one Function to the gateway."""
    ref, spec = function.ref, function.spec
    state = _STATES.get(observed.phase, "failed")
    reason = observed.reason
    if state == "starting" and configured is not None and configured.fault is not None:
        state, reason = "failed", configured.fault.reason
    grants = spec.access.invoked_by if spec.access else ()
    return {
        "namespace": ref.namespace,
        "name": ref.name,
        "audience": function_audience(issuer, ref.namespace, ref.name),
        "public": any(grant.public for grant in grants or ()),
        "state": state,
        "reason": reason,
        "sockets": list(sockets),
        "concurrency": scaling_bounds(spec).concurrency,
        "timeout_seconds": timeout_seconds(spec),
        "max_body_bytes": request_limit_bytes(spec),
        "methods": None,
    }


class RoutePublisher:
    """Sends a snapshot when it differs from the last one; called by one at a time."""

    def __init__(
        self,
        link: GatewayLink,
        identity: Callable[[], tuple[str, dict[str, Any]]],
        rows: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """`identity` gives issuer and public JWKS, `rows` every Function's row as of now."""
        self._link = link
        self._identity = identity
        self._rows = rows
        self._generation = 0
        self._sent: list[dict[str, Any]] | None = None

    async def refresh(self) -> None:
        """Return when the gateway serves by rows at least as new as this call."""
        rows = self._rows()
        if rows == self._sent:
            return
        self._generation += 1
        issuer, jwks = self._identity()
        await self._link.publish({
            "generation": self._generation,
            "issuer": issuer,
            "jwks": jwks,
            "functions": rows,
        })  # fmt: skip
        self._sent = rows
