from __future__ import annotations

import pytest

from casemate.gateway.headers import (
    caller_request_id,
    connection_tokens,
    forwarded_lines,
    is_passed_on,
    without_named,
)


@pytest.mark.parametrize(
    "name",
    [
        b"x-casemate-principal",
        b"x_casemate_principal",
        b"x-casemate_issuer",
        b"x-forwarded-for",
        b"x_forwarded_host",
        b"x-forwarded-anything",
        b"x-original-url",
        b"x-rewrite-url",
        b"content_length",
        b"transfer_encoding",
        b"x_request_id",
        b"x_real_ip",
    ],
)
def test_names_that_a_runtime_could_take_for_ours_are_dropped(name: bytes) -> None:
    from casemate.gateway.headers import REQUEST_FIELDS  # noqa: PLC0415

    assert name in REQUEST_FIELDS or not is_passed_on(name)


@pytest.mark.parametrize(
    "name", [b"ce-type", b"traceparent", b"client_id", b"x-casemat", b"cookie"]
)
def test_other_names_reach_the_function(name: bytes) -> None:
    assert is_passed_on(name)


def test_fields_named_by_connection_end_here() -> None:
    tokens = connection_tokens(b"close, X-Secret , ,\tx-b")

    kept = without_named([b"x-secret: 1\r\n", b"x-secret-2: 1\r\n", b"x-b: 2\r\n"], tokens)

    assert kept == [b"x-secret-2: 1\r\n"]


@pytest.mark.parametrize("value", [b"abc-1", b"1.2:3/4+5=", b"a" * 128])
def test_plain_caller_request_id_is_kept_beside_ours(value: bytes) -> None:
    assert caller_request_id(value) == b"x-caller-request-id: " + value + b"\r\n"


@pytest.mark.parametrize("value", [b"", b"a b", b"a" * 129, b"<script>", b"\xff", b"a,b"])
def test_other_caller_request_ids_are_dropped(value: bytes) -> None:
    assert caller_request_id(value) == b""


@pytest.mark.parametrize(
    ("peer", "node"), [("127.0.0.1", b"for=127.0.0.1;"), ("::1", b'for="[::1]";')]
)
def test_forwarded_names_the_peer(peer: str, node: bytes) -> None:
    assert node in forwarded_lines(peer, b"localhost")
