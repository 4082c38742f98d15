"""Label selectors, in the grammar and with the errors of Kubernetes; pure.

Source: k8s.io/apimachinery v0.36, pkg/labels/selector.go (lexer, parser, requirement).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from casemate.apiserver.status_error import ApiError, bad_request

MOST_CHARACTERS = 8192
_MOST_BYTES = 63
_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_MOST_SUBDOMAIN_BYTES = 253
_ALPHANUMERIC = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_TOKEN = re.compile(r"[ \t\r\n]*(?:(!=|==|[=!(),<>])|([^=!(),<> \t\r\n]+)|$)")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_BINARY = {
    "in": "in", "notin": "notin", "=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt",
}  # fmt: skip
_LISTED = ("in", "notin")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term: `operator` is in, notin, exists, absent, gt or lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy it."""
        found = labels.get(self.key)
        if found is None:
            return self.operator in {"notin", "absent"}
        if self.operator in {"gt", "lt"}:
            number, limit = _integer(found), _integer(next(iter(self.values)))
            if number is None or limit is None:
                return False
            return number > limit if self.operator == "gt" else number < limit
        return {
            "in": found in self.values,
            "notin": found not in self.values,
            "exists": True,
            "absent": False,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of its requirements must hold."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(text: str) -> LabelSelector:
    """Read a selector. Raises ApiError 400 in Kubernetes' words."""
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise bad_request("the label selector is too long or holds a NUL")
    return LabelSelector(_Parser(text).all())


class _Parser:
    """Recursive descent over the tokens; `in` and `notin` are operators only after a key."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), ("end", "")]
        self._position = 0

    def all(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while True:
            kind, word = self._peek()
            if kind == "end":
                break
            if kind != "word" and word != "!":
                raise _found(word, "!, identifier, or 'end of string'")
            found.append(self._requirement())
            kind, word = self._next()
            if kind == "end":
                break
            if word != ",":
                raise _found(word, "',' or 'end of string'")
            kind, word = self._peek()
            if kind != "word" and word != "!":
                raise _found(word, "identifier after ','")
        return tuple(sorted(found, key=lambda one: one.key))

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position]

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def _requirement(self) -> Requirement:
        kind, word = self._next()
        negated = word == "!" and kind == "symbol"
        if negated:
            kind, word = self._next()
        if kind != "word":
            raise _unable(f"found '{word}', expected: identifier")
        key = word
        causes = key_problems(key)
        if causes:
            raise _unable(f"<nil>: Invalid value: {json.dumps(key)}: {'; '.join(causes)}")
        kind, word = self._peek()
        if negated:
            return Requirement(key, "absent")
        if kind == "end" or (kind, word) == ("symbol", ","):
            return Requirement(key, "exists")
        self._next()
        if word not in _BINARY:
            raise _unable(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._listed() if word in _LISTED else self._exact()
        _check_values(key, word, values)
        return Requirement(key, _BINARY[word], frozenset(values))

    def _exact(self) -> set[str]:
        kind, word = self._peek()
        if kind == "end" or (kind, word) == ("symbol", ","):
            return {""}
        self._next()
        if kind != "word":
            raise _unable(f"found '{word}', expected: identifier")
        return {word}

    def _listed(self) -> set[str]:
        kind, word = self._next()
        if word != "(":
            raise _unable(f"found '{word}' expected: '('")
        values: set[str] = set()
        empty = True
        while True:
            kind, word = self._next()
            if kind == "word":
                if not empty:
                    raise _unable(f"found '{word}', expected: ',' or ')'")
                values.add(word)
                empty = False
            elif word in {",", ")"} and kind == "symbol":
                if empty:
                    values.add("")
                empty = True
                if word == ")":
                    return values
            else:
                raise _unable(f"found '{word}', expected: ',', ')' or identifier")


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            return
        position = match.end()
        symbol, word = match.groups()
        if symbol:
            yield "symbol", symbol
        elif word:
            yield "word", word


def key_problems(key: str) -> list[str]:
    """Return what is wrong with a label's key, as Kubernetes words it."""
    prefix, slash, name = key.rpartition("/")
    examples = (
        f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
    )
    if "/" in prefix:
        whole = f"a valid label key must {_ALPHANUMERIC} {examples}"
        return [
            f"{whole} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    found = []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    elif slash and (
        len(prefix) > _MOST_SUBDOMAIN_BYTES or not re.fullmatch(_SUBDOMAIN, prefix, re.ASCII)
    ):
        found.append(
            "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
            "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
            f"'example.com', regex used for validation is '{_SUBDOMAIN}')"
        )
    if not name:
        found.append("name part must be non-empty")
    elif len(name.encode()) > _MOST_BYTES:
        found.append(f"name part must be no more than {_MOST_BYTES} bytes")
    if not re.fullmatch(_NAME, name):
        found.append(f"name part must {_ALPHANUMERIC} {examples}")
    return found


def value_problems(value: str) -> list[str]:
    """Return what is wrong with a label's value, as Kubernetes words it."""
    found = []
    if len(value.encode()) > _MOST_BYTES:
        found.append(f"must be no more than {_MOST_BYTES} bytes")
    if value and not re.fullmatch(_NAME, value):
        found.append(
            f"a valid label must be an empty string or {_ALPHANUMERIC} (e.g. 'MyValue',  or "
            f"'my_value',  or '12345', regex used for validation is '({_NAME})?')"
        )
    return found


def _check_values(key: str, operator: str, values: set[str]) -> None:
    found = []
    for index, value in enumerate(sorted(values)):
        if operator in "<>" and _integer(value) is None:
            found.append(
                f"values[{index}]: Invalid value: {json.dumps(value)}: for 'Gt', 'Lt' operators, "
                "the value must be an integer"
            )
        problems = value_problems(value)
        if problems:
            shown = json.dumps(value, ensure_ascii=False)
            found.append(f"values[{index}][{key}]: Invalid value: {shown}: {'; '.join(problems)}")
    if found:
        raise _unable(found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _integer(text: str) -> int | None:
    """Read what Go's ParseInt reads: 64 bits, in base 10."""
    if not _INTEGER.fullmatch(text) or len(text) > _MOST_BYTES:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _found(word: str, expected: str) -> ApiError:
    return bad_request(f"found '{word}', expected: {expected}")


def _unable(why: str) -> ApiError:
    return bad_request(f"unable to parse requirement: {why}")
