"""Kubernetes' protobuf as kubectl sends it for built-in kinds, read into the same tree as JSON.

Only read, never written: whoever sends protobuf takes JSON as an answer. kubectl 1.32 and later
sends it whenever it knows the type itself (`auth can-i`, `create token`, `create role`), without
asking first. Numbers of fields are data (scripts/protobuf_fields.py); what is not in them is
dropped, as JSON's unknown fields are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from typing import Any

from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import bad_request

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_META = "k8s.io.apimachinery.pkg.apis.meta.v1"
_PACKAGES = {
    "v1": "k8s.io.api.core.v1",
    "rbac.authorization.k8s.io/v1": "k8s.io.api.rbac.v1",
    "coordination.k8s.io/v1": "k8s.io.api.coordination.v1",
    "authentication.k8s.io/v1": "k8s.io.api.authentication.v1",
    "authorization.k8s.io/v1": "k8s.io.api.authorization.v1",
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Unreadable(ValueError):
    """The bytes are no such message."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: str
    label: str


def read_protobuf(body: bytes) -> Tree:
    """Read one object with its apiVersion and kind. Raises ApiError 400."""
    try:
        if not body.startswith(_MAGIC):
            raise _Unreadable
        envelope = dict(_wire(body[len(_MAGIC) :]))
        type_meta = dict(_wire(_part(envelope, 1)))
        version, kind = _text(_part(type_meta, 1)), _text(_part(type_meta, 2))
        name = f"{_META}.{kind}" if kind == "DeleteOptions" else f"{_PACKAGES[version]}.{kind}"
        if envelope.get(3) or name not in _messages():
            raise _Unreadable
        tree = _message(name, _part(envelope, 2))
    except (ValueError, KeyError, TypeError, OverflowError):
        # Like unreadable JSON: nothing of the body is quoted.
        raise bad_request("unreadable protobuf, or a kind that is not read in it") from None
    return {"apiVersion": version, "kind": kind, **tree}


@cache
def _messages() -> Mapping[str, Mapping[int, _Field]]:
    text = files("casemate.apiserver").joinpath("protobuf_fields.json").read_text("utf-8")
    return {
        name: {int(number): _Field(*field) for number, field in fields.items()}
        for name, fields in json.loads(text)["messages"].items()
    }


def _message(name: str, raw: bytes) -> Tree:
    tree: Tree = {}
    for number, value in _wire(raw):
        field = _messages()[name].get(number)
        if field is None:
            continue
        if field.label == "map":
            entry = dict(_wire(_bytes(value)))
            tree.setdefault(field.name, {})[_text(_part(entry, 1))] = _value(
                field.kind, entry.get(2, b"")
            )
            continue
        found = _value(field.kind, value)
        if field.label == "repeated":
            tree.setdefault(field.name, []).append(found)
        elif found not in (None, ""):
            # Go writes every text and time, the empty ones too: they are what JSON leaves out.
            tree[field.name] = found
    return tree


def _value(kind: str, value: int | bytes) -> Any:
    if kind in _NUMBERS:
        return _NUMBERS[kind](_number(value))
    raw = _bytes(value)
    if kind in _BUILT_IN:
        return _BUILT_IN[kind](raw)
    return _extra(raw) if kind.endswith(".ExtraValue") else _message(kind, raw)


def _extra(raw: bytes) -> list[str]:
    return [_text(_bytes(one)) for number, one in _wire(raw) if number == 1]


def _managed(raw: bytes) -> Any:
    return json.loads(_part(dict(_wire(raw)), 1) or b"{}")


def _time(raw: bytes, *, fraction: bool = False) -> str | None:
    parts = dict(_wire(raw))
    seconds, nanos = _signed(_number(parts.get(1, 0))), _number(parts.get(2, 0))
    if not parts or seconds <= 0:
        return None
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{moment.microsecond:06d}Z" if fraction else f"{text}Z"


def _wire(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of each field of a message."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = _varint(raw, at)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, at = _varint(raw, at)
        elif wire_type in {_FIXED64, _FIXED32}:
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise _Unreadable
        if at + length > len(raw):
            raise _Unreadable
        yield number, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(raw[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004  # the last byte of a number has no high bit
            return value, at + place + 1
    raise _Unreadable


def _part(parts: Mapping[int, int | bytes], number: int) -> bytes:
    return _bytes(parts.get(number, b""))


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise _Unreadable
    return value


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise _Unreadable
    return value


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8")


_NUMBERS: Mapping[str, Callable[[int], Any]] = {"bool": bool, "int32": _signed, "int64": _signed}
_BUILT_IN: Mapping[str, Callable[[bytes], Any]] = {
    "string": _text,
    "bytes": lambda raw: base64.b64encode(raw).decode(),
    f"{_META}.Time": _time,
    f"{_META}.MicroTime": partial(_time, fraction=True),
    f"{_META}.FieldsV1": _managed,
}
