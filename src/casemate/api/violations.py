"""A broken rule as a value: where, what was found, what is allowed, and what to do.

One manifest answers with all its violations at once. What was found is shown only where the field
cannot hold the user's source or a secret: `PRIVATE_FIELDS` names the fields that can.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from casemate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

# Text below these keys is the user's source or may be a credential; it is never repeated.
PRIVATE_FIELDS = frozenset({"source", "dependencies", "data", "stringData", "value", "binaryData"})
LONGEST_FOUND = 80


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule. `line` and `document` count from 1; 0 means unknown."""

    path: str
    message: str
    found: str = ""
    allowed: str = ""
    hint: str = ""
    origin: str = ""
    document: int = 0
    line: int = 0
    subject: str = ""

    def __str__(self) -> str:
        """Write `file:line: object: path: message, found ..., allowed ...` and a hint line."""
        place = f"{self.origin}:{self.line}" if self.line else self.origin
        head = ": ".join(part for part in (place, self.subject, self.path, self.message) if part)
        found = f", found {self.found}" if self.found else ""
        allowed = f", allowed: {self.allowed}" if self.allowed else ""
        hint = f"\nhint: {self.hint}" if self.hint else ""
        return f"{head}{found}{allowed}{hint}"

    def at(self, *, origin: str, document: int, line: int, subject: str) -> Violation:
        """Return the same violation with its place in a file."""
        return replace(self, origin=origin, document=document, line=line, subject=subject)


class InvalidManifest(InvalidInput):
    """A manifest breaks rules; `violations` holds every one of them."""

    code = "InvalidManifest"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)
        count = len(self.violations)
        noun = "violation" if count == 1 else "violations"
        lines = "\n".join(str(violation) for violation in self.violations)
        super().__init__(f"manifest has {count} {noun}\n{lines}")


def broken(message: str, *, allowed: str = "", hint: str = "") -> PydanticCustomError:
    """Build the error that a field's validator raises; it becomes a Violation with its path."""
    context = {"text": message, "allowed": allowed, "hint": hint}
    return PydanticCustomError("rule", "{text}", context)


def path_text(location: Iterable[int | str]) -> str:
    """Write a location as people do: spec.env[2].name, metadata.labels["a/b"]."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").isalnum() and part.isascii():
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(shortened(part))}]"
    return text


def shortened(text: str) -> str:
    """Cut `text` so that it fits on a line of a terminal."""
    return text if len(text) <= LONGEST_FOUND else f"{text[: LONGEST_FOUND - 3]}..."


def found_text(location: Sequence[int | str], value: Any) -> str:
    """Show the value found, unless its field may hold source or a secret."""
    # ATTACK: an error message must not become the way to read a secret or somebody's source.
    # tests/unit/api/test_manifest.py::test_a_violation_never_repeats_source_or_secret_values
    if PRIVATE_FIELDS.intersection(part for part in location if isinstance(part, str)):
        return "a value that is not shown"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return shortened(json.dumps(value, ensure_ascii=True))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a did-you-mean hint, or nothing when no known word is near."""
    by_lower = {name.lower(): name for name in sorted(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return f'did you mean "{by_lower[near[0]]}"?' if near else ""


# pydantic's error types, in our words; `{}` takes the value named second from the error's context.
_PHRASES: dict[str, tuple[str, str]] = {
    "missing": ("field is required", ""),
    "string_type": ("must be a string", ""),
    "int_type": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "bool_type": ("must be true or false", ""),
    "dict_type": ("must be an object", ""),
    "model_type": ("must be an object", ""),
    "tuple_type": ("must be a list", ""),
    "literal_error": ("value is not supported", "expected"),
    "enum": ("value is not supported", "expected"),
    "greater_than_equal": ("value is too small", "ge"),
    "less_than_equal": ("value is too large", "le"),
    "string_too_short": ("text is too short", "min_length"),
    "string_too_long": ("text is too long", "max_length"),
    "too_short": ("too few items", "min_length"),
    "too_long": ("too many items", "max_length"),
}
_BOUND_WORDS = {
    "ge": "at least ",
    "min_length": "at least ",
    "le": "at most ",
    "max_length": "at most ",
}


def from_pydantic(
    error: ErrorDetails, *, known_fields: Iterable[str] = (), value_hint: str = ""
) -> Violation:
    """Turn one of pydantic's errors into a Violation without a place."""
    location: Location = tuple(error["loc"])
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == "extra_forbidden":
        field = str(location[-1])
        return Violation(
            path_text(location),
            "unknown field",
            allowed=", ".join(sorted(known_fields)),
            hint=suggestion(field, known_fields),
        )
    value = error["input"]
    # A rule about a whole object names its fields itself; "found an object" would say nothing.
    says_nothing = kind == "missing" or (kind == "rule" and isinstance(value, dict | list))
    found = "" if says_nothing else found_text(location, value)
    if kind == "rule":
        return Violation(
            path_text(location), context["text"], found, context["allowed"], context["hint"]
        )
    phrase, key = _PHRASES.get(kind, (error["msg"].lower().removesuffix("."), ""))
    allowed = f"{_BOUND_WORDS.get(key, '')}{context[key]}".replace("'", "") if key else ""
    hint = value_hint if kind == "string_type" else ""
    return Violation(path_text(location), phrase, found, allowed, hint)
