"""Bytes of a YAML or JSON file -> plain JSON trees with line numbers, within fixed bounds.

Values mean what they mean to `kubectl`: YAML 1.1 words (yes, on), old octal numbers, timestamps as
text. Nothing is constructed but JSON; keys may not repeat; aliases may neither form a cycle nor
multiply. A file that breaks a bound is a violation, never an exception, and never slow.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from casemate.api.document_tree import (
    LARGEST_EXPANDED,
    LONGEST_NESTING,
    Refused,
    TreeBuilder,
    measure,
)
from casemate.api.violations import Location, Violation, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_FILE_BYTES = 1024 * 1024
MOST_DOCUMENTS = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: `index` counts from 1, `lines` maps a location to its line."""

    origin: str
    index: int
    tree: Any = field(repr=False)
    lines: Mapping[Location, int] = field(repr=False, default_factory=dict)

    def line_of(self, location: Location) -> int:
        """Return the line of the nearest known place at or above `location`, 0 when unknown."""
        for end in range(len(location), -1, -1):
            line = self.lines.get(location[:end])
            if line:
                return line
        return 0


class Documents(NamedTuple):
    """What a file holds. Documents that could be read are there even when others could not."""

    documents: tuple[Document, ...]
    violations: tuple[Violation, ...]


def read_documents(data: bytes, origin: str) -> Documents:
    """Read every document of `data`. Never raises for what `data` holds."""
    try:
        text = _decoded(data)
    except Refused as refusal:
        return Documents((), (refusal.violation(origin, 0),))
    read, is_yaml = _read_yaml(text, origin)
    if not is_yaml and text.lstrip()[:1] == "{":
        # JSON's escapes and surrogate pairs are not YAML's: what YAML refuses may be valid JSON.
        as_json = _read_json(text, origin)
        if as_json is not None:
            return as_json
    return read


def _decoded(data: bytes) -> str:
    if len(data) > LARGEST_FILE_BYTES:
        raise Refused(
            f"file is too large: {len(data)} bytes", allowed=f"at most {LARGEST_FILE_BYTES} bytes"
        )
    if b"\x00" in data:
        raise Refused("file is binary: it holds a NUL byte", allowed="UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused("file is not valid UTF-8", line=line, allowed="UTF-8 text") from None


def _read_yaml(text: str, origin: str) -> tuple[Documents, bool]:
    """Read YAML documents, and tell whether the syntax was YAML's to the end."""
    documents: list[Document] = []
    violations: list[Violation] = []
    builder = TreeBuilder()
    is_yaml = True
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                _check_count(len(documents))
                builder = TreeBuilder()
            elif isinstance(event, yaml.DocumentEndEvent):
                index = len(documents) + 1
                violations.extend(r.violation(origin, index) for r in builder.refusals)
                documents.append(Document(origin, index, builder.root, builder.lines))
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                builder.feed(event)
    except Refused as refusal:
        violations.append(refusal.violation(origin, len(documents) + 1))
    except yaml.YAMLError as error:
        is_yaml = False
        violations.extend(r.violation(origin, len(documents) + 1) for r in builder.refusals)
        violations.append(_syntax_refusal(error, text).violation(origin, len(documents) + 1))
    kept = tuple(document for document in documents if document.tree is not None)
    return Documents(kept, tuple(violations)), is_yaml


def _check_count(count: int) -> None:
    if count >= MOST_DOCUMENTS:
        raise Refused("file holds too many documents", allowed=f"at most {MOST_DOCUMENTS}")


def _syntax_refusal(error: yaml.YAMLError, text: str) -> Refused:
    # libyaml's `problem` is a fixed sentence; the snippet, which quotes the file, is not shown.
    problem = shortened(str(getattr(error, "problem", None) or "unreadable text"))
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 0
    indent = text.splitlines()[line - 1 : line] if line else []
    uses_tab = any(found.lstrip(" ").startswith("\t") for found in indent)
    hint = "indent with spaces, never with tabs" if uses_tab else ""
    return Refused(f"file is not valid YAML: {problem}", line=line, hint=hint)


class _DuplicateKey(ValueError):
    """A JSON object names a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _DuplicateKey
    return mapping


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _json_trees(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        tree, position = decoder.raw_decode(text, position)
        measure(tree)
        yield tree


def _read_json(text: str, origin: str) -> Documents | None:
    """Read `text` as JSON documents; None when it is not JSON either."""
    documents: list[Document] = []
    try:
        for tree in _json_trees(text):
            _check_count(len(documents))
            documents.append(Document(origin, len(documents) + 1, tree))
    except _DuplicateKey:
        refusal = Refused("an object names a key twice", allowed="each key once")
    except Refused as too_much:
        refusal = too_much
    except RecursionError:
        refusal = Refused("nested too deeply", allowed=f"at most {LONGEST_NESTING} levels")
    except ValueError:
        return None
    else:
        return Documents(tuple(documents), ())
    return Documents(tuple(documents), (refusal.violation(origin, len(documents) + 1),))


__all__ = [
    "LARGEST_EXPANDED",
    "LARGEST_FILE_BYTES",
    "LONGEST_NESTING",
    "MOST_DOCUMENTS",
    "Document",
    "Documents",
    "read_documents",
]
