"""Values checked against a structural schema, with the causes that kube-apiserver gives; pure.

Source: k8s.io/kube-openapi, pkg/validation, and k8s.io/apiextensions-apiserver v0.36.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from casemate.api.violations import PRIVATE_FIELDS, shortened
from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.patch.typed_schema import Schema, field_schema, item_element, list_keys
from casemate.apiserver.status_error import Cause

_OMITTED = '"<value omitted>"'
_INTEGER_RANGES = {"int32": 2**31, "int64": 2**63}


def schema_causes(schema: Schema, value: Any, path: str = "") -> Iterator[Cause]:
    """Yield every way in which a value breaks its schema."""
    kinds = _kinds(schema)
    found = json_type(value)
    if value is None and schema.get("nullable"):
        return
    if kinds and found not in kinds and not (found == "integer" and "number" in kinds):
        wanted = ",".join(kinds)
        text = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
        yield Cause("FieldValueTypeInvalid", text, path)
        yield from _enum(schema, value, path)
        return
    yield from _enum(schema, value, path)
    if isinstance(value, str):
        yield from _text(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)
    elif isinstance(value, dict):
        yield from _object(schema, value, path)


def json_type(value: Any) -> str:
    """Name a value's type as JSON schema does; a whole float is an integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    return {float: "number", str: "string", list: "array"}.get(type(value), "object")


def invalid_value(path: str, value: Any, why: str) -> Cause:
    """Return the cause for a value that breaks a rule; shows it unless it may be a secret."""
    return Cause("FieldValueInvalid", f"Invalid value: {shown(path, value)}: {why}", path)


def required(path: str, why: str = "") -> Cause:
    """Return the cause for a field that is missing."""
    return Cause("FieldValueRequired", "Required value" + (f": {why}" if why else ""), path)


def not_supported(path: str, value: Any, allowed: list[Any]) -> Cause:
    """Return the cause for a value that is none of the allowed ones."""
    words = ", ".join(json.dumps(word if isinstance(word, str) else str(word)) for word in allowed)
    text = f"Unsupported value: {shown(path, value)}: supported values: {words}"
    return Cause("FieldValueNotSupported", text, path)


def too_long(path: str, most: int) -> Cause:
    """Return the cause for a text or an object that is too large."""
    unit = "byte" if most == 1 else "bytes"
    return Cause("FieldValueTooLong", f"Too long: may not be more than {most} {unit}", path)


def shown(path: str, value: Any) -> str:
    """Write a value for a message, unless its field may hold source or a secret."""
    # ATTACK: an error must not become the way to read a Secret that one may only patch.
    # tests/unit/apiserver/test_validation.py::test_a_cause_never_repeats_a_private_value
    if PRIVATE_FIELDS.intersection(re.split(r"[.\[]", path)):
        return _OMITTED
    if isinstance(value, str):
        return json.dumps(shortened(value), ensure_ascii=False)
    return shortened(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def _kinds(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    kind = schema.get("type")
    return (kind,) if isinstance(kind, str) else ()


def _enum(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    allowed = schema.get("enum")
    if allowed and not any(same_value(value, one) for one in allowed):
        yield not_supported(path, value, list(allowed))


def _text(schema: Schema, value: str, path: str) -> Iterator[Cause]:
    most, least, pattern = (
        schema.get(key) for key in ("maxLength", "minLength", "pattern")
    )  # fmt: skip
    if most is not None and len(value) > most:
        yield too_long(path, most)
    if least is not None and len(value) < least:
        yield invalid_value(path, value, f"{path} in body should be at least {least} chars long")
    if pattern and not _matcher(pattern)(value):
        yield invalid_value(path, value, f"{path} in body should match '{pattern}'")


@cache
def _matcher(pattern: str) -> Callable[[str], Any]:
    # Go's `$` is the end of the text; Python's lets a final newline through.
    return re.compile(pattern.replace("$", r"\Z"), re.ASCII).search


def _number(schema: Schema, value: float, path: str) -> Iterator[Cause]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None and value > most:
        yield invalid_value(path, value, f"{path} in body should be less than or equal to {most}")
    if least is not None and value < least:
        text = f"{path} in body should be greater than or equal to {least}"
        yield invalid_value(path, value, text)
    bound = _INTEGER_RANGES.get(str(schema.get("format")))
    if bound is not None and not -bound <= value < bound:
        kind = schema["format"]
        yield invalid_value(path, value, f"{path} in body must be of type {kind}")


def _list(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and len(value) < least:
        text = f"{path} in body should have at least {least} items"
        yield Cause("FieldValueInvalid", f"Invalid value: {len(value)}: {text}", path)
    if most is not None and len(value) > most:
        unit = "item" if most == 1 else "items"
        text = f"Too many: {len(value)}: must have at most {most} {unit}"
        yield Cause("FieldValueTooMany", text, path)
    seen: set[str] = set()
    for index, item in enumerate(value):
        place = f"{path}[{index}]"
        if list_keys(schema) is not None:
            yield from _duplicate(schema, item, place, seen)
        yield from schema_causes(schema.get("items") or {}, item, place)


def _duplicate(schema: Schema, item: Any, path: str, seen: set[str]) -> Iterator[Cause]:
    if list_keys(schema) and not isinstance(item, dict):
        yield invalid_value(path, item, "must be an object for an array of list-type map")
        return
    try:
        element = item_element(schema, item)
    except ValueError:
        # The item's own schema says what is wrong with it.
        return
    if element in seen:
        value = _OMITTED if PRIVATE_FIELDS.intersection(path.split(".")) else element[2:]
        yield Cause("FieldValueDuplicate", f"Duplicate value: {value}", path)
    seen.add(element)


def _object(schema: Schema, value: dict[str, Any], path: str) -> Iterator[Cause]:
    for name in schema.get("required") or ():
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    for name, child in value.items():
        below = field_schema(schema, name)
        if below:
            yield from schema_causes(below, child, f"{path}.{name}" if path else name)
