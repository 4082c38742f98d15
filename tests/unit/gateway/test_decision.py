"""Every combination of caller, route, method, size and state, against a table written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from casemate.gateway.bearer import Caller
from casemate.gateway.decision import ALLOWED, decide
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
from casemate.gateway.routes import DEFAULT_METHODS, Route, RouteState
from casemate.identity.principals import Denial, DenialCode, Principal


@dataclass(frozen=True)
class Facts:
    method: bytes = b"GET"
    content_length: int = 0


CALLER = Caller(Principal("alice", "i", "a", "c", "1", 0, 60), 60, b"")


def a_route(
    *,
    public: bool = False,
    state: RouteState = RouteState.READY,
    reason: str = "",
    methods: frozenset[bytes] = DEFAULT_METHODS,
) -> Route:
    return Route(b"ns/fn", "a", public, state, reason, ("/s",), 20, 180.0, 100, methods)


def denied(code: DenialCode) -> Denial:
    return Denial(code, "")


EXPECTED_FOR_DENIAL = dict.fromkeys(DenialCode, INVALID_TOKEN) | {
    DenialCode.TOKEN_MISSING: UNAUTHENTICATED,
    DenialCode.AUTHORIZATION_MALFORMED: AUTHORIZATION_MALFORMED,
    DenialCode.AUDIENCE_WRONG: WRONG_AUDIENCE,
    DenialCode.CHECK_FAILED: INTERNAL,
}


@pytest.mark.parametrize("code", DenialCode)
def test_denied_caller_learns_the_same_whether_the_function_exists_or_not(code: DenialCode) -> None:
    expected = EXPECTED_FOR_DENIAL[code]
    routes = [
        None,
        a_route(),
        a_route(state=RouteState.FAILED),
        a_route(methods=frozenset()),
    ]

    verdicts = {decide(Facts(b"POST", 10**9), route, denied(code)).problem for route in routes}

    assert verdicts == {expected}


@pytest.mark.parametrize("code", [code for code in DenialCode if code != DenialCode.TOKEN_MISSING])
def test_bad_token_is_refused_by_a_public_function_too(code: DenialCode) -> None:
    verdict = decide(Facts(), a_route(public=True), denied(code))

    assert verdict.problem == EXPECTED_FOR_DENIAL[code]
    assert verdict.reason == code


def test_public_function_needs_no_token() -> None:
    assert decide(Facts(), a_route(public=True), denied(DenialCode.TOKEN_MISSING)) == ALLOWED


def test_token_for_a_function_that_is_gone_is_told_so() -> None:
    assert decide(Facts(), None, CALLER).problem == NOT_FOUND


CASES = list(
    product((b"GET", b"PROPFIND"), (0, 100, 101), (True, False), RouteState, (CALLER, "nobody"))
)


@pytest.mark.parametrize(("method", "length", "public", "state", "who"), CASES)
def test_verdict_table(
    method: bytes, length: int, *, public: bool, state: RouteState, who: Caller | str
) -> None:
    caller = who if isinstance(who, Caller) else denied(DenialCode.TOKEN_MISSING)
    expected: Problem | None
    if who == "nobody" and not public:
        expected = UNAUTHENTICATED
    elif method == b"PROPFIND":
        expected = METHOD_NOT_ALLOWED
    elif length == 101:
        expected = BODY_TOO_LARGE
    else:
        expected = {
            RouteState.FAILED: FUNCTION_FAILED,
            RouteState.DRAINING: FUNCTION_DRAINING,
        }.get(state)

    verdict = decide(Facts(method, length), a_route(public=public, state=state), caller)

    assert verdict.problem == expected
    assert verdict.allowed is (expected is None)


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (RouteState.FAILED, "OOMKilled", "OOMKilled"),
        (RouteState.FAILED, "", "Failed"),
        (RouteState.DRAINING, "Stopped", "Stopped"),
        (RouteState.DRAINING, "", "Draining"),
    ],
)
def test_state_keeps_its_reason(state: RouteState, reason: str, shown: str) -> None:
    assert decide(Facts(), a_route(state=state, reason=reason), CALLER).reason == shown
