"""Kubernetes quantities: the notation `500m`, `64Mi`, `1.5`, `2e3`, and what they are worth.

The text is kept as written, because a rendered object must show what the manifest says; numbers are
worked out with exact decimals, because 0.1 + 0.2 decides whether a request exceeds its limit.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from casemate.api.violations import broken

# Kubernetes stores a quantity in 64 bits; longer text can only be a mistake or an attack.
_LONGEST = 40
_SYNTAX = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,3}))?",
    re.ASCII,
)
_FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"),
    "T": Decimal("1e12"), "P": Decimal("1e15"), "E": Decimal("1e18"),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
LARGEST = Decimal(2**63 - 1)


def parse_quantity(text: str) -> Decimal:
    """Return what `text` is worth, in whole units. Raises ValueError for a foreign notation."""
    match = _SYNTAX.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError("not a quantity")
    value = Decimal(match["number"])
    if match["suffix"]:
        value *= _FACTORS[match["suffix"]]
    elif match["exponent"]:
        value = value.scaleb(int(match["exponent"]))
    if abs(value) > LARGEST:
        raise ValueError("a quantity is at most 2^63 - 1")
    return value


def cpu_millis(text: str) -> int:
    """Return thousandths of a CPU, rounded up as the kubelet does."""
    return int((parse_quantity(text) * 1000).to_integral_value(ROUND_CEILING))


def size_bytes(text: str) -> int:
    """Return bytes, rounded up."""
    return int(parse_quantity(text).to_integral_value(ROUND_CEILING))


def _number_as_text(value: Any) -> Any:
    """Take `cpu: 1` and `cpu: 0.5` as Kubernetes does: a bare number is its own text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(value)


def _check_quantity(text: str) -> str:
    try:
        value = parse_quantity(text)
    except ValueError:
        raise broken(
            "is not a quantity",
            allowed="a number with an optional suffix n u m k M G T P E Ki Mi Gi Ti Pi Ei",
            hint='write "500m" for half a CPU, "64Mi" for memory',
        ) from None
    if value < 0:
        raise broken("quantity is negative", allowed="0 or more")
    return text


Quantity = Annotated[
    str,
    AfterValidator(_check_quantity),
    BeforeValidator(_number_as_text),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
            r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        }
    ),
]
