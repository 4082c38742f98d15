"""Collect what a decision needs, ask for it, and fail closed when anything goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.clock import now_seconds
from casemate.gateway.bearer import Caller
from casemate.gateway.decision import decide
from casemate.gateway.problems import INTERNAL, METHOD_NOT_ALLOWED, NOT_READY, Problem
from casemate.gateway.targets import HostPlace, locate
from casemate.identity.tokens import function_audience

if TYPE_CHECKING:
    from casemate.gateway.core import Gateway
    from casemate.gateway.lanes import Lane
    from casemate.gateway.request_reader import RequestHead


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may go to a Function: the lane, the target it will see, who is calling."""

    lane: Lane
    forwarded: bytes
    caller_lines: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that may not, and why. `fields` are header lines that the answer needs."""

    problem: Problem
    reason: str
    key: bytes = b""
    fields: bytes = b""


def admit(gateway: Gateway, head: RequestHead, place: HostPlace | Problem) -> Admission | Refusal:
    """Decide whether the request may go on; any unexpected error is a refusal."""
    try:
        return _admit(gateway, head, place)
    except Exception as error:  # noqa: BLE001  # whatever it is, nothing is let through
        gateway.report_failure("admission", error)
        return Refusal(INTERNAL, type(error).__name__)


def _admit(gateway: Gateway, head: RequestHead, place: HostPlace | Problem) -> Admission | Refusal:
    if head.problem is not None:
        return Refusal(head.problem, head.problem.code)
    if isinstance(place, Problem):
        return Refusal(place, place.code)
    target = locate(head.url, place)
    if isinstance(target, Problem):
        return Refusal(target, target.code)
    table = gateway.table
    if table is None:
        return Refusal(NOT_READY, NOT_READY.code)
    lane = gateway.lanes.get(target.key)
    if lane is None:
        route = None
        audience = function_audience(table.issuer, *target.key.decode().split("/"))
    else:
        route = lane.route
        audience = route.audience
    caller = gateway.bearer.check(head.authorization, audience, now_seconds())
    verdict = decide(head, route, caller)
    if verdict.problem is not None or lane is None:
        return Refusal(
            verdict.problem or INTERNAL,
            verdict.reason,
            key=target.key,
            fields=_allow(lane) if verdict.problem is METHOD_NOT_ALLOWED and lane else b"",
        )
    lines = caller.lines if isinstance(caller, Caller) else b""
    return Admission(lane, target.forwarded, lines)


def _allow(lane: Lane) -> bytes:
    return b"allow: %b\r\n" % b", ".join(sorted(lane.route.methods))
