"""Who may do what: one pure function from request, route and caller to a verdict.

Authentication and audience are decided before existence: a Function that does not exist is refused
exactly like one that does, until a token for its very name is shown. The default is refusal; each
`Verdict` carries the problem for the caller and the reason for the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from casemate.gateway.bearer import Caller
from casemate.gateway.problems import (
    AUTHORIZATION_MALFORMED,
    BODY_TOO_LARGE,
    FUNCTION_DRAINING,
    FUNCTION_FAILED,
    INTERNAL,
    INVALID_TOKEN,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNAUTHENTICATED,
    WRONG_AUDIENCE,
    Problem,
)
from casemate.gateway.routes import Route, RouteState
from casemate.identity.principals import Denial, DenialCode

_PROBLEM_OF = {
    DenialCode.TOKEN_MISSING: UNAUTHENTICATED,
    DenialCode.AUTHORIZATION_MALFORMED: AUTHORIZATION_MALFORMED,
    DenialCode.AUDIENCE_WRONG: WRONG_AUDIENCE,
    DenialCode.CHECK_FAILED: INTERNAL,
}


class RequestFacts(Protocol):
    """What a decision may depend on besides route and caller."""

    @property
    def method(self) -> bytes:
        """Return the method."""

    @property
    def content_length(self) -> int:
        """Return the announced length of the body, 0 when none is announced."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Let through, or refused with a problem (for the caller) and a reason (for the log)."""

    problem: Problem | None
    reason: str

    @property
    def allowed(self) -> bool:
        """Whether the request may go to the Function."""
        return self.problem is None


ALLOWED = Verdict(None, "")


def decide(  # noqa: PLR0911  # one return for each way to be refused, in the order that counts
    facts: RequestFacts, route: Route | None, caller: Caller | Denial
) -> Verdict:
    """Decide one request; `caller` was checked against the audience of the Function asked for."""
    if isinstance(caller, Denial) and not (
        # A public Function needs no token, but one that is shown must still be good.
        route is not None and route.public and caller.code is DenialCode.TOKEN_MISSING
    ):
        return Verdict(_PROBLEM_OF.get(caller.code, INVALID_TOKEN), caller.code)
    if route is None:
        return Verdict(NOT_FOUND, "NotFound")
    if facts.method not in route.methods:
        return Verdict(METHOD_NOT_ALLOWED, "MethodNotAllowed")
    if facts.content_length > route.max_body_bytes:
        return Verdict(BODY_TOO_LARGE, "BodyTooLarge")
    if route.state is RouteState.FAILED:
        return Verdict(FUNCTION_FAILED, route.reason or "Failed")
    if route.state is RouteState.DRAINING:
        return Verdict(FUNCTION_DRAINING, route.reason or "Draining")
    return ALLOWED
