from __future__ import annotations

import json

from casemate.gateway.problems import ALL, BAD_REQUEST, FUNCTION_FAILED, encode_problem


def test_codes_are_unique_and_each_has_a_safe_sentence() -> None:
    assert len({problem.code for problem in ALL}) == len(ALL)
    assert all(problem.detail[0].islower() and problem.detail[-1] != "." for problem in ALL)


def test_answer_is_problem_json_with_the_request_id_twice() -> None:
    answer = encode_problem(FUNCTION_FAILED, "r-1", reason="OOMKilled", close=False)

    head, _, body = answer.partition(b"\r\n\r\n")
    members = json.loads(body)
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"x-request-id: r-1\r\n" in head
    assert b"retry-after: 5\r\n" in head
    assert members == {
        "type": "urn:casemate:problem:FunctionFailed",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the Function cannot run now",
        "instance": "urn:casemate:request:r-1",
        "code": "FunctionFailed",
        "request_id": "r-1",
        "reason": "OOMKilled",
    }


def test_closing_answer_says_so() -> None:
    assert b"connection: close\r\n" in encode_problem(BAD_REQUEST, "r-1", close=True)
