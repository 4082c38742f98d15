"""Bytes of a manifest file -> typed objects, and every violation in one answer.

What comes in is untrusted; an object in `ParsedManifests.objects` has passed every rule. A file
with violations still yields its valid objects, so that a caller can name them; nobody may run
them before the violations are gone. Unknown fields, unknown kinds and name collisions are
violations: nothing is ignored in silence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pydantic import BaseModel, ValidationError

from casemate.api.core_objects import ConfigMap, Namespace, Secret, ServiceAccount
from casemate.api.document_scalars import BOOLEAN_WORDS
from casemate.api.documents import Document, Documents, read_documents
from casemate.api.field_names import fields_at
from casemate.api.function import Function
from casemate.api.function_policy import FunctionPolicy
from casemate.api.function_source import FunctionSource
from casemate.api.rules import function_violations
from casemate.api.serverless import Serverless
from casemate.api.sound_part import rule_violations_of_rest
from casemate.api.violations import (
    InvalidManifest,
    Location,
    Violation,
    found_text,
    from_pydantic,
    path_text,
    shortened,
    suggestion,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ManifestObject: TypeAlias = (
    Function
    | FunctionPolicy
    | FunctionSource
    | Serverless
    | Secret
    | ConfigMap
    | ServiceAccount
    | Namespace
)

KINDS: dict[tuple[str, str], type[ManifestObject]] = {
    ("serverless.kyma-project.io/v1alpha2", "Function"): Function,
    ("casemate.dev/v1alpha1", "FunctionPolicy"): FunctionPolicy,
    ("casemate.dev/v1alpha1", "FunctionSource"): FunctionSource,
    ("operator.kyma-project.io/v1alpha1", "Serverless"): Serverless,
    ("v1", "Secret"): Secret,
    ("v1", "ConfigMap"): ConfigMap,
    ("v1", "ServiceAccount"): ServiceAccount,
    ("v1", "Namespace"): Namespace,
}
_CLUSTER_SCOPED = {"FunctionPolicy", "Namespace"}
# A file of a million unknown fields gets an answer of bounded length, in bounded time.
MOST_VIOLATIONS = 100


class ObjectKey(NamedTuple):
    """What must be unique among all objects."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ParsedManifests:
    """The valid objects of some files and everything that is wrong with the rest."""

    objects: tuple[ManifestObject, ...]
    violations: tuple[Violation, ...]

    @property
    def functions(self) -> tuple[Function, ...]:
        """Return only the Functions, in the order of the file."""
        return tuple(found for found in self.objects if isinstance(found, Function))

    def objects_or_raise(self) -> tuple[ManifestObject, ...]:
        """Return the objects. Raises InvalidManifest with every violation if there is any."""
        if self.violations:
            raise InvalidManifest(self.violations)
        return self.objects


class _Item(NamedTuple):
    """One object of a document, before it has a type."""

    document: Document
    location: Location
    tree: dict[str, Any]


def key_of(found: ManifestObject) -> ObjectKey:
    """Return the identity of an object."""
    namespace = "" if found.kind in _CLUSTER_SCOPED else found.metadata.namespace_or_default
    return ObjectKey(found.kind, namespace, found.metadata.name)


def parse_manifests(text: bytes, origin: str) -> ParsedManifests:
    """Parse one file. Never raises for what `text` holds; `origin` names the file in messages."""
    read = read_documents(text, origin)
    violations = list(read.violations)
    objects: list[tuple[ManifestObject, Violation]] = []
    for document in read.documents:
        for item in _items(document, violations):
            _parse_item(item, objects, violations)
            if len(violations) > MOST_VIOLATIONS:
                break
    if not read.documents and not violations:
        violations.append(Violation("", "file holds no object", origin=origin))
    violations.extend(_collisions(objects))
    return ParsedManifests(tuple(found for found, _ in objects), _bounded(violations, origin))


def merge_manifests(parsed: Iterable[ParsedManifests]) -> ParsedManifests:
    """Join the answers of several files, and find names that collide between them."""
    together = tuple(parsed)
    objects = tuple(found for each in together for found in each.objects)
    violations = tuple(violation for each in together for violation in each.violations)
    placed = ((found, Violation("metadata.name", "")) for found in objects)
    known = {(violation.subject, violation.message) for violation in violations}
    collisions = (c for c in _collisions(placed) if (c.subject, c.message) not in known)
    return ParsedManifests(objects, (*violations, *collisions))


def _bounded(violations: list[Violation], origin: str) -> tuple[Violation, ...]:
    if len(violations) <= MOST_VIOLATIONS:
        return tuple(violations)
    rest = Violation("", "more violations were found and are not listed", origin=origin)
    return (*violations[:MOST_VIOLATIONS], rest)


def _items(document: Document, violations: list[Violation]) -> Iterator[_Item]:
    """Yield the objects of a document: itself, or what a `List` holds."""
    tree = document.tree
    if not isinstance(tree, dict):
        message = "document is not an object"
        violations.append(_placed(document, (), "", Violation("", message)))
    elif tree.get("kind") == "List" and tree.get("apiVersion") == "v1":
        items = tree.get("items")
        if not isinstance(items, list):
            missing = Violation("items", "a List needs items", allowed="a list of objects")
            violations.append(_placed(document, ("items",), "List", missing))
            return
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield _Item(document, ("items", index), item)
            else:
                wrong = Violation(f"items[{index}]", "is not an object")
                violations.append(_placed(document, ("items", index), "List", wrong))
    else:
        yield _Item(document, (), tree)


def _placed(
    document: Document, location: Location, subject: str, violation: Violation
) -> Violation:
    return violation.at(
        origin=document.origin,
        document=document.index,
        line=document.line_of(location),
        subject=subject,
    )


def _subject(tree: dict[str, Any]) -> str:
    """Name an object for a message, as far as its text can be shown."""
    kind = tree.get("kind")
    metadata = tree.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    words = [word for word in (kind, fields.get("name")) if isinstance(word, str) and word]
    return shortened(" ".join(words))


def _parse_item(
    item: _Item, objects: list[tuple[ManifestObject, Violation]], violations: list[Violation]
) -> None:
    subject = _subject(item.tree)

    def report(location: Location, violation: Violation) -> None:
        violations.append(_placed(item.document, item.location + location, subject, violation))

    model = _model_of(item.tree, report)
    if model is None:
        return
    try:
        found = model.model_validate_json(json.dumps(item.tree), strict=True)
    except ValidationError as error:
        for location, violation in _type_violations(model, item.tree, error):
            report(location, violation)
        return
    broken = function_violations(found) if isinstance(found, Function) else ()
    for location, violation in broken:
        report(location, violation)
    if not broken:
        place = _placed(
            item.document, (*item.location, "metadata", "name"), subject, _NAME_VIOLATION
        )
        objects.append((found, place))


def object_violations(
    model: type[BaseModel], tree: dict[str, Any]
) -> tuple[tuple[Location, Violation], ...]:
    """Return every rule that one object breaks, for a caller that knows its kind."""
    try:
        found = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        return tuple(_type_violations(model, tree, error))
    return function_violations(found) if isinstance(found, Function) else ()


_NAME_VIOLATION = Violation("metadata.name", "")


def _model_of(tree: dict[str, Any], report: Any) -> type[ManifestObject] | None:
    version, kind = tree.get("apiVersion"), tree.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        for field in ("apiVersion", "kind"):
            if not isinstance(tree.get(field), str):
                report((field,), Violation(field, "field is required", allowed="a string"))
        return None
    model = KINDS.get((version, kind))
    if model is not None:
        return model
    versions = sorted(known for known, name in KINDS if name == kind)
    if versions:
        wrong = Violation(
            "apiVersion", f"is not a version of {kind} that exists", found_text((), version),
            allowed=", ".join(versions),
        )  # fmt: skip
        report(("apiVersion",), wrong)
    else:
        kinds = sorted({name for _, name in KINDS})
        unknown = Violation(
            "kind", "kind is not known here", found_text((), kind),
            allowed=", ".join(kinds), hint=suggestion(kind, kinds),
        )  # fmt: skip
        report(("kind",), unknown)
    return None


def _type_violations(
    model: type[BaseModel], tree: dict[str, Any], error: ValidationError
) -> Iterator[tuple[Location, Violation]]:
    """Yield what the types refuse, then what the rules refuse in the part that is sound."""
    details = error.errors(include_url=False)
    for detail in details[: MOST_VIOLATIONS + 1]:
        location: Location = tuple(detail["loc"])
        unknown = detail["type"] == "extra_forbidden"
        known = fields_at(model, location[:-1]) if unknown else ()
        yield location, from_pydantic(detail, known_fields=known, value_hint=_text_hint(detail))
    if model is Function:
        yield from rule_violations_of_rest(tree, [tuple(detail["loc"]) for detail in details])


def _text_hint(detail: Any) -> str:
    if isinstance(detail["input"], bool):
        return f"quote it: a plain word such as {BOOLEAN_WORDS} is a boolean, as to kubectl"
    return "quote it" if isinstance(detail["input"], int | float) else ""


def _collisions(
    objects: Iterable[tuple[ManifestObject, Violation]],
) -> Iterator[Violation]:
    """Yield a violation for each object whose identity an earlier one has."""
    seen: set[ObjectKey] = set()
    for found, place in objects:
        key = key_of(found)
        if key in seen:
            where = f" in namespace {key.namespace}" if key.namespace else ""
            yield Violation(
                path_text(("metadata", "name")),
                f'{key.kind} "{key.name}" is defined twice{where}',
                allowed="each name once per kind and namespace",
            ).at(
                origin=place.origin,
                document=place.document,
                line=place.line,
                subject=place.subject or f"{key.kind} {key.name}",
            )
        seen.add(key)


__all__ = [
    "KINDS",
    "MOST_VIOLATIONS",
    "Document",
    "Documents",
    "InvalidManifest",
    "ManifestObject",
    "ObjectKey",
    "ParsedManifests",
    "key_of",
    "merge_manifests",
    "parse_manifests",
    "read_documents",
]
