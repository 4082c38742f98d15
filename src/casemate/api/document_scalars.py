"""What a plain YAML word means to Kubernetes: YAML 1.1 as Go's reader resolves it.

Kept apart from PyYAML's resolver, which knows base 60 numbers and dates that `kubectl` does not.
"""

from __future__ import annotations

import re

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_BOOLEANS = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = {".inf", ".Inf", ".INF", "+.inf", "-.inf", ".nan", ".NaN", ".NAN"}
# Longer numbers can only be an attack on the parser; the largest float has 309 digits.
_LONGEST_NUMBER = 400
# The words that people write and mean as text; used for a hint.
BOOLEAN_WORDS = "y, n, yes, no, on, off"


def resolve(text: str, *, tag: str | None, plain: bool) -> str | int | float | bool | None:
    """Return the JSON value of a scalar. Raises ValueError with a message that is safe to show."""
    kind = tag.rpartition(":")[2] if tag and tag != "!" else ""
    if kind == "str" or (not kind and (not plain or tag == "!")):
        return _text(text)
    value = _resolve_plain(text)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kinds = {"bool": bool, "int": int, "float": float, "null": type(None)}
    if kind and (type(value) is not kinds.get(kind)):
        raise ValueError("value is not of the type that its tag names")
    return value


def _resolve_plain(text: str) -> str | int | float | bool | None:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NOT_FINITE:
        raise ValueError("number is not finite")
    if len(text) <= _LONGEST_NUMBER:
        number = _number(text)
        if number is not None:
            return number
    return _text(text)


def _number(text: str) -> int | float | None:
    if _INTEGER.fullmatch(text):
        value = _integer(text.replace("_", ""))
        if value is not None:
            return value
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError("number is too large")
        return number
    return None


def _integer(text: str) -> int | None:
    """Return an integer that fits 64 bits, else None: Go then reads it as a float."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    try:
        if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
            value = sign * int(digits, 8)
        else:
            value = sign * int(digits, 0)
    except ValueError:
        return None
    return value if -(2**63) <= value < 2**64 else None


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text holds a NUL character")
    return text
