"""Field selectors: the few fields of each kind that one can select by; pure.

Source: k8s.io/apimachinery v0.36, pkg/fields. The fields are those that Kubernetes 1.36 converts
(pkg/apis/core/v1/conversion.go) and that the kinds' strategies fill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from casemate.apiserver.label_selectors import MOST_CHARACTERS
from casemate.apiserver.resource import Resource, Tree
from casemate.apiserver.status_error import ApiError, bad_request

_NAME, _NAMESPACE = "metadata.name", "metadata.namespace"
_FIELDS: dict[str, tuple[str, ...]] = {
    "namespaces": ("status.phase", _NAME),
    "secrets": ("type", _NAMESPACE, _NAME),
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
        _NAMESPACE, _NAME,
    ),
    "pods": (
        _NAME, _NAMESPACE, "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
        "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP",
        "status.podIPs", "status.nominatedNodeName",
    ),
}  # fmt: skip
_FORMER_NAMES = {("pods", "spec.host"): "spec.nodeName"}
# No escape is possible on the left side: the first operator ends the field's name.
_TERM = re.compile(r"([^=!]*(?:!(?!=)[^=!]*)*)(!=|==|=)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One field, which must or must not have a value."""

    field: str
    equal: bool
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All of its terms must hold."""

    terms: tuple[FieldTerm, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything matches."""
        return not self.terms

    def matches(self, tree: Tree) -> bool:
        """Whether this object is selected; an absent field is the empty text."""
        return all((_value(tree, term.field) == term.value) is term.equal for term in self.terms)


def parse_field_selector(resource: Resource, text: str) -> FieldSelector:
    """Read a selector for objects of one kind. Raises ApiError 400 in Kubernetes' words."""
    if len(text) > MOST_CHARACTERS:
        raise bad_request("the field selector is too long")
    terms = []
    for part in sorted(_parts(text)):
        match = _TERM.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, raw = match.groups()
        terms.append(FieldTerm(_known(resource, field), operator != "!=", _unescaped(raw)))
    return FieldSelector(tuple(terms))


def _parts(text: str) -> list[str]:
    parts, start, escaped = [], 0, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            parts.append(text[start:index])
            start = index + 1
    return [part for part in (*parts, text[start:]) if part]


def _unescaped(raw: str) -> str:
    value, characters = [], iter(raw)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            if following not in {"\\", ",", "="}:
                raise _invalid(f"invalid escape sequence: \\{following}")
            value.append(following)
        elif character in ",=":
            raise _invalid(f"unescaped character in value: {ord(character)}")
        else:
            value.append(character)
    return "".join(value)


def _invalid(why: str) -> ApiError:
    return bad_request(f"invalid field selector: {why}")


def _known(resource: Resource, field: str) -> str:
    core = not resource.group
    known = _FIELDS.get(resource.plural) if core else None
    if known is None:
        if field == _NAME or (field == _NAMESPACE and (resource.namespaced or core)):
            return field
        if resource.model is None:
            shown = json.dumps(field)
            raise bad_request(
                f'{shown} is not a known field selector: only "{_NAME}", "{_NAMESPACE}"'
            )
    else:
        field = _FORMER_NAMES.get((resource.plural, field), field)
        if field in known:
            return field
    raise bad_request(f"field label not supported: {field}")


def _value(tree: Tree, field: str) -> str:
    special = _SPECIAL.get(field)
    value: Any = special(tree) if special else _at(tree, field)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ""


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _source(tree: Tree) -> Any:
    return _at(tree, "source.component") or tree.get("reportingComponent")


_SPECIAL: dict[str, Callable[[Tree], Any]] = {
    "source": _source,
    "spec.hostNetwork": lambda tree: bool(_at(tree, "spec.hostNetwork")),
}
