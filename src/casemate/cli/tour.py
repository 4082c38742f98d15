"""`casemate run PATH --tour`: proves on the running Functions what the product promises.

Each Function is called without a token, with another Function's, and with its own. Then the sandbox
is looked at twice: from inside, by a Function, and from outside, by comparing the running processes
with the plan. Everything that is shown was observed in this run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, TextIO
from urllib.parse import urlsplit

from casemate.cli.api_client import ApiClient, function_path
from casemate.cli.function_token import function_token
from casemate.cli.run_report import is_settled
from casemate.cli.tour_promises import Promise, promises
from casemate.node.foreign_text import terminal_safe

LOOK_INSIDE = "look-inside"
_SHOWN_CHARS = 70
_CALL_SECONDS = 30
# What a Function of the examples is sent; the others get a GET.
_BODIES: dict[str, tuple[dict[str, str], bytes]] = {
    "orders-events": (
        {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-type": "order.created.v1",
            "ce-source": "shop",
            "ce-id": "1",
        },
        b'{"id": "A-17", "lines": [{"price": 5, "count": 2}, {"price": 1.5, "count": 4}]}',
    ),
    "kyma-greeting": ({"content-type": "application/json"}, b'{"name": "Ada"}'),
}


def take_tour(rows: list[dict[str, Any]], out: TextIO) -> int:
    """Show everything on `out`; returns 0 only if every promise was kept."""
    failed = 0
    running = [row for row in rows if is_settled(row) and row["status"].get("readyReplicas")]
    for row in rows:
        if row not in running:
            failed += 1
            out.write(f"not running: {_name(row)}\n{_reasons(row)}")
    out.write("\n1. One token opens one Function\n")
    for row in running:
        other = next((one for one in running if one is not row), None)
        failed += _show_calls(row, other, out)
    inside = next((row for row in running if row["metadata"]["name"] == LOOK_INSIDE), None)
    if inside is not None:
        out.write("\n2. The sandbox from inside, beside what was promised\n")
        failed += _show_inside(inside, out)
    out.write("\n3. The sandboxes from outside: running processes compared with their plans\n")
    for row in running:
        failed += _show_posture(row, out)
    out.write(
        f"\n{'every promise was kept' if not failed else f'{failed} promises were not kept'}\n"
    )
    out.flush()
    return 0 if failed == 0 else 1


def _show_calls(row: dict[str, Any], other: dict[str, Any] | None, out: TextIO) -> int:
    failed = 0
    own = _token(row)
    cases: list[tuple[str, int, str | None]] = [("no token", 401, None)]
    if other is not None:
        cases.append((f"token of {other['metadata']['name']}", 403, _token(other)))
    cases.append(("own token", 200, own))
    for label, expected, token in cases:
        status, reply = _call(row, token)
        failed += status != expected
        shown = terminal_safe(" ".join(reply.decode(errors="replace").split()))
        shown = shown if len(shown) <= _SHOWN_CHARS else f"{shown[: _SHOWN_CHARS - 3]}..."
        mark = "ok  " if status == expected else "FAIL"
        # A refusal that was expected needs no text; anything else does.
        text = "" if status == expected and label != "own token" else shown
        out.write(f"  {mark} {_name(row):<24} {label:<24} {status} {text}\n")
    out.flush()
    return failed


def _show_inside(row: dict[str, Any], out: TextIO) -> int:
    status, reply = _call(row, _token(row))
    if status != 200:  # noqa: PLR2004
        out.write(f"  FAIL look-inside answered {status}\n")
        return 1
    broken = 0
    for promise in promises(json.loads(reply)):
        broken += not promise.kept
        out.write(_promise_line(promise))
    out.flush()
    return broken


def _promise_line(promise: Promise) -> str:
    mark = "ok  " if promise.kept else "FAIL"
    return f"  {mark} {promise.what:<22} promised {promise.promised:<38} seen {promise.seen}\n"


def _show_posture(row: dict[str, Any], out: TextIO) -> int:
    with ApiClient.running() as client:
        path = function_path(_namespace(row), row["metadata"]["name"], "posture")
        answer = client.get(path)["status"]
    differences = answer["differences"]
    mark = "FAIL" if differences else "ok  "
    out.write(f"  {mark} {_name(row):<24} {answer['summary']}\n")
    out.writelines(f"       {difference}\n" for difference in differences)
    out.flush()
    return int(bool(differences))


def _call(row: dict[str, Any], token: str | None) -> tuple[int, bytes]:
    target = urlsplit(row["status"]["address"]["url"])
    headers, body = _BODIES.get(row["metadata"]["name"], ({}, b""))
    headers = dict(headers)
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    connection = HTTPConnection(target.hostname or "", target.port, timeout=_CALL_SECONDS)
    try:
        connection.request("POST" if body else "GET", target.path, body or None, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def _token(row: dict[str, Any]) -> str:
    return function_token(_namespace(row), row["metadata"]["name"], 60).token


def _namespace(row: dict[str, Any]) -> str:
    return str(row["metadata"].get("namespace", "default"))


def _name(row: dict[str, Any]) -> str:
    return f"{_namespace(row)}/{row['metadata']['name']}"


def _reasons(row: dict[str, Any]) -> str:
    return "".join(_reason_lines(row))


def _reason_lines(row: dict[str, Any]) -> Iterator[str]:
    for condition in row["status"].get("conditions", ()):
        if condition["status"] != "True":
            yield f"  {condition['type']}: {condition['reason']} {condition.get('message', '')}\n"
