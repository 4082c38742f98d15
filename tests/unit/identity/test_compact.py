from __future__ import annotations

import pytest

from casemate.identity.compact import (
    MAX_TOKEN_BYTES,
    UntrustedToken,
    decode_base64url,
    encode_base64url,
    parse_compact,
    parse_json_object,
)
from casemate.identity.principals import Denial, DenialCode


@pytest.mark.parametrize("raw", [b"", b"f", b"fo", b"foo", bytes(range(256))])
def test_base64url_round_trips(raw: bytes) -> None:
    assert decode_base64url(encode_base64url(raw)) == raw


@pytest.mark.parametrize(
    "text",
    [b"Zg==", b"Zm8=", b"Z", b"Zh", b"Zm9", b"Zm 9v", b"Zm9v\n", b"+/8", b"Zm9v.", b"Zg\x00"],
)
def test_base64url_that_is_padded_foreign_or_not_canonical_is_refused(text: bytes) -> None:
    assert decode_base64url(text) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"1",
        b"",
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"a":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b"\xff",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"[" * 4000 + b"]" * 4000 + b"}",
        b'{"a":1} x',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_json_with_more_than_one_reading_is_refused(raw: bytes) -> None:
    assert parse_json_object(raw) is None


def test_parts_come_back_decoded() -> None:
    outcome = parse_compact("e30.Zm9v.YmFy")

    assert outcome == UntrustedToken({}, b"foo", b"bar")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("a" * (MAX_TOKEN_BYTES + 1), DenialCode.TOKEN_TOO_LARGE),
        ("é.e.e", DenialCode.TOKEN_MALFORMED),
        ("", DenialCode.TOKEN_MALFORMED),
        ("e30.Zm9v", DenialCode.TOKEN_MALFORMED),
        ("e30.Zm9v.YmFy.YmFy", DenialCode.TOKEN_MALFORMED),
        (".Zm9v.YmFy", DenialCode.TOKEN_MALFORMED),
        ("e30..YmFy", DenialCode.TOKEN_MALFORMED),
        ("e30.Zm9v.", DenialCode.TOKEN_MALFORMED),
        ("e30.Zm9v.YmFy=", DenialCode.TOKEN_MALFORMED),
        ("W10.Zm9v.YmFy", DenialCode.TOKEN_MALFORMED),
    ],
)
def test_text_that_is_no_compact_jws_is_denied(token: str, code: DenialCode) -> None:
    outcome = parse_compact(token)

    assert isinstance(outcome, Denial)
    assert outcome.code == code
