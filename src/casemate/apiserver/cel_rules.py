"""The part of the Common Expression Language that our CRDs use, so that both engines say the same.

A cluster refuses by these rules, with their messages; here they are evaluated on the same schema.
What an expression may hold is what the rules of `casemate.api` hold and no more: an unknown
function is an error of ours, found by a test that compiles every rule, and never passes silently.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.patch.typed_schema import Schema, field_schema, item_schema
from casemate.apiserver.schema_rules import shown
from casemate.apiserver.status_error import Cause
from casemate.errors import Internal

Names: TypeAlias = Mapping[str, Any]
_Node: TypeAlias = Callable[[Names], Any]
_TOKENS = re.compile(
    r"\s*(?:(?P<number>\d+)|(?P<text>'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[()\[\],.?:!<>+-]))"
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": same_value,
    "!=": lambda left, right: not same_value(left, right),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
}


class UnknownExpression(Internal):
    """A rule of a CRD says something that is not understood here."""

    code = "UnknownExpression"


def cel_causes(
    schema: Schema, value: Any, path: str = "", *, sound: bool = True
) -> Iterator[Cause]:
    """Yield every rule of a schema that a value breaks.

    `sound` says that the schema's types hold. Where they do not, a rule that cannot be evaluated
    says nothing: what stands in its way is told already.
    """
    for rule in schema.get("x-kubernetes-validations") or ():
        if not holds(rule["rule"], value, otherwise=not sound):
            # As on a cluster, an object or a list is not repeated.
            plain = not isinstance(value, dict | list)
            found = f"Invalid value: {shown(path, value)}" if plain else "Invalid value"
            yield Cause("FieldValueInvalid", f"{found}: {rule['message']}", path)
    if isinstance(value, dict):
        for name, child in value.items():
            below = field_schema(schema, name)
            if below:
                place = f"{path}.{name}" if path else name
                yield from cel_causes(below, child, place, sound=sound)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from cel_causes(item_schema(schema), item, f"{path}[{index}]", sound=sound)


def holds(rule: str, value: Any, *, otherwise: bool = False) -> bool:
    """Whether a rule is true of a value; `otherwise` where it cannot be evaluated."""
    try:
        return compiled(rule)({"self": value}) is True
    except (KeyError, TypeError, AttributeError):
        return otherwise


@cache
def compiled(rule: str) -> _Node:
    """Compile a rule. Raises UnknownExpression."""
    reader = _Reader(rule)
    node = reader.choice()
    if reader.peek() != "":
        raise reader.unknown()
    return node


class _Reader:
    """Reads one expression, left to right; each method is one level of precedence."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._tokens: list[str] = []
        at = 0
        while rule[at:].strip():
            found = _TOKENS.match(rule, at)
            if found is None:
                raise self.unknown()
            self._tokens.append(found.group().strip())
            at = found.end()
        self._tokens.append("")
        self._next = 0

    def unknown(self) -> UnknownExpression:
        """Return the error that names the rule."""
        return UnknownExpression(f"rule {self._rule!r} is not understood")

    def peek(self) -> str:
        """Return the next token, empty at the end."""
        return self._tokens[self._next]

    def choice(self) -> _Node:
        """Read `condition ? yes : no`, or what binds tighter."""
        condition = self._either()
        if not self._take("?"):
            return condition
        yes = self.choice()
        self._need(":")
        no = self.choice()
        return lambda names: yes(names) if condition(names) else no(names)

    def _take(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self._next += 1
        return True

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise self.unknown()

    def _name(self) -> str:
        token = self.peek()
        if not token.isidentifier():
            raise self.unknown()
        self._next += 1
        return token

    def _either(self) -> _Node:
        left = self._both()
        while self._take("||"):
            left = _either(left, self._both())
        return left

    def _both(self) -> _Node:
        left = self._comparison()
        while self._take("&&"):
            left = _both(left, self._comparison())
        return left

    def _comparison(self) -> _Node:
        left = self._sum()
        while self.peek() in _COMPARISONS:
            compare = _COMPARISONS[self.peek()]
            self._next += 1
            left = _compared(compare, left, self._sum())
        return left

    def _sum(self) -> _Node:
        left = self._unary()
        while self._take("+"):
            left = _compared(operator.add, left, self._unary())
        return left

    def _unary(self) -> _Node:
        if self._take("!"):
            inner = self._unary()
            return lambda names: not inner(names)
        return self._member()

    def _member(self) -> _Node:
        node = self._primary()
        while self._take("."):
            name = self._name()
            node = self._call(node, name) if self._take("(") else _field(node, name)
        return node

    def _call(self, node: _Node, name: str) -> _Node:
        if name == "startsWith":
            prefix = self.choice()
            self._need(")")
            return lambda names: node(names).startswith(prefix(names))
        quantifiers: dict[str, Callable[[Iterator[bool]], bool]] = {"all": all, "exists": any}
        if name not in quantifiers:
            raise self.unknown()
        variable = self._name()
        self._need(",")
        body = self.choice()
        self._need(")")
        quantify = quantifiers[name]
        return lambda names: quantify(body({**names, variable: one}) for one in node(names))

    def _primary(self) -> _Node:
        token = self.peek()
        if self._take("("):
            node = self.choice()
            self._need(")")
            return node
        if self._take("["):
            return self._list()
        if token[:1].isdigit():
            self._next += 1
            return lambda _names: int(token)
        if token[:1] == "'":
            self._next += 1
            text = re.sub(r"\\(.)", r"\1", token[1:-1])
            return lambda _names: text
        return self._named(self._name())

    def _list(self) -> _Node:
        items: list[_Node] = []
        while not self._take("]"):
            items.append(self.choice())
            if self.peek() != "]":
                self._need(",")
        return lambda names: [item(names) for item in items]

    def _named(self, name: str) -> _Node:
        if name in {"true", "false"}:
            return lambda _names: name == "true"
        if not self._take("("):
            return lambda names: names[name]
        inner = self.choice()
        self._need(")")
        if name == "size":
            return lambda names: len(inner(names))
        if name == "has":
            return lambda names: _is_there(inner, names)
        raise self.unknown()


def _is_there(node: _Node, names: Names) -> bool:
    try:
        node(names)
    except KeyError:
        return False
    return True


def _field(node: _Node, name: str) -> _Node:
    return lambda names: node(names)[name]


def _either(left: _Node, right: _Node) -> _Node:
    return lambda names: left(names) or right(names)


def _both(left: _Node, right: _Node) -> _Node:
    return lambda names: left(names) and right(names)


def _compared(compare: Callable[[Any, Any], Any], left: _Node, right: _Node) -> _Node:
    return lambda names: compare(left(names), right(names))
