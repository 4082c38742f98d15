"""The CEL of our CRDs: every rule is understood, and says what a cluster says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casemate.api.crd import KINDS, custom_resource_definition
from casemate.apiserver.cel_rules import UnknownExpression, cel_causes, compiled, holds


def rules(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (one["rule"] for one in node.get("x-kubernetes-validations", ()))
        for child in node.values():
            yield from rules(child)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_every_rule_of_our_crds_is_understood(kind: Any) -> None:
    for rule in rules(custom_resource_definition(kind)["spec"]["versions"][0]["schema"]):
        assert callable(compiled(rule))


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) == 1", {"a": 1}, True),
        ("(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) == 1", {"a": 1, "b": 1}, False),
        ("self.min <= self.max", {"min": 1, "max": 1}, True),
        ("self.min < self.max", {"min": 1, "max": 1}, False),
        ("self.min >= self.max && self.min != 2", {"min": 1, "max": 1}, True),
        ("self.min > self.max || self.max == 1", {"min": 1, "max": 1}, True),
        ("self.all(e, !(e.name in ['A', 'B']))", [{"name": "C"}], True),
        ("self.all(e, !(e.name in ['A', 'B']))", [{"name": "C"}, {"name": "B"}], False),
        ("!self.exists(e, e.startsWith('x/'))", {"x/a": "1"}, False),
        ("self.all(e, size(e) < 3)", {"ab": "1"}, True),
        ("!('it\\'s' in self)", {"it's": 1}, False),
        ("self == true", True, True),
        ("self == 1", True, False),
        ("[1, 2] == self", [1, 2], True),
        ("self.absent == 1", {}, False),
        ("self.all(e, e.startsWith('x'))", [1], False),
    ],
)
def test_a_rule_is_evaluated_as_cel_does(rule: str, value: Any, *, expected: bool) -> None:
    assert holds(rule, value) is expected


@pytest.mark.parametrize(
    "rule", ["self.map(e, e)", "matches(self)", "self #", "self ==", "(self", "self self", "self."]
)
def test_what_is_not_understood_never_passes(rule: str) -> None:
    with pytest.raises(UnknownExpression):
        holds(rule, {})


def test_a_broken_rule_is_told_where_it_stands_with_its_message() -> None:
    schema = {
        "type": "object",
        "properties": {
            "low": {
                "type": "integer",
                "x-kubernetes-validations": [{"rule": "self < 3", "message": "is too high"}],
            },
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "x-kubernetes-validations": [{"rule": "has(self.a)", "message": "needs a"}],
                },
            },
        },
    }

    found = [(one.field, one.message) for one in cel_causes(schema, {"low": 4, "items": [{}]})]

    assert found == [
        ("low", "Invalid value: 4: is too high"),
        ("items[0]", "Invalid value: needs a"),
    ]


def test_a_rule_that_cannot_be_evaluated_is_silent_only_where_types_are_wrong() -> None:
    schema = {"x-kubernetes-validations": [{"rule": "self.a < 1", "message": "no"}]}

    assert list(cel_causes(schema, {}, sound=False)) == []
    assert len(list(cel_causes(schema, {}))) == 1
