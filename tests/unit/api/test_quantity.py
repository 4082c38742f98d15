"""Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.api.quantity import cpu_millis, parse_quantity, size_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("0.5", "0.5"), (".5", "0.5"), ("5.", 5), ("500m", "0.5"), ("2k", 2000), ("1Ki", 1024),
     ("1e3", 1000), ("1E3", 1000), ("1E", 10**18), ("1e-3", "0.001"), ("+1", 1), ("-1", -1),
     ("100n", "0.0000001"), ("1.5Gi", 1610612736)],
)  # fmt: skip
def test_a_quantity_is_worth_its_notation(text, value):
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "m", "1 m", "1KB", "1ki", "0x1", "1e", "1\n", "٣", "1e999", "9Ei", "1" * 41, "."]
)
def test_a_foreign_notation_is_refused(text):
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


def test_fractions_are_rounded_up():
    assert cpu_millis("0.0001") == 1
    assert cpu_millis("1500m") == 1500
    assert size_bytes("100m") == 1
    assert size_bytes("64Mi") == 64 * 1024 * 1024


@given(st.text(max_size=12))
def test_no_text_but_a_quantity_is_accepted(text):
    try:
        parse_quantity(text)
    except ValueError:
        return
    assert text.isascii()
    assert any(character.isdigit() for character in text)
