"""YAML events -> one JSON tree, without recursion, counting what aliases multiply.

Owns the bounds on depth and on size after expansion. The tree shares the nodes that aliases repeat;
nobody may change it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from casemate.api.document_scalars import resolve
from casemate.api.violations import Location, Violation, shortened

LONGEST_NESTING = 64
# What a file may grow to when every alias is written out; a node counts 64 besides its text.
LARGEST_EXPANDED = 8 * 1024 * 1024
_NODE_WEIGHT = 64
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")
}


class Refused(Exception):  # reads as a noun, and never leaves this package
    """A file breaks a bound or cannot be read."""

    def __init__(self, message: str, *, line: int = 0, allowed: str = "", hint: str = "") -> None:
        super().__init__(message)
        self._message = message
        self._line = line
        self._allowed = allowed
        self._hint = hint

    def violation(self, origin: str, document: int) -> Violation:
        """Return the refusal as a value."""
        return Violation(
            "",
            self._message,
            allowed=self._allowed,
            hint=self._hint,
            origin=origin,
            document=document,
            line=self._line,
        )


def measure(tree: Any) -> None:
    """Raise Refused when `tree` is deeper or larger than a manifest may be."""
    weight = 0
    pending: list[tuple[Any, int]] = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        weight += _NODE_WEIGHT + (len(node) if isinstance(node, str) else 0)
        if isinstance(node, dict):
            weight += sum(map(len, node))
        children = node.values() if isinstance(node, dict) else node
        if isinstance(node, dict | list):
            pending.extend((child, depth + 1) for child in children)
        _check_bounds(depth, weight)


def _check_bounds(depth: int, weight: int, line: int = 0) -> None:
    if depth > LONGEST_NESTING:
        raise Refused("nested too deeply", line=line, allowed=f"at most {LONGEST_NESTING} levels")
    if weight > LARGEST_EXPANDED:
        # ATTACK: ten lines of aliases of aliases would become terabytes ("billion laughs").
        # tests/unit/api/test_documents.py::test_aliases_that_multiply_are_refused
        raise Refused("file is too large once its aliases are written out", line=line)


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is still open."""

    node: dict[str, Any] | list[Any]
    location: Location
    anchor: str | None
    started_weight: int
    key: str | None = None
    key_line: int = 0
    merging: bool = False
    merged: list[dict[str, Any]] = field(default_factory=list)


class TreeBuilder:
    """Takes the events of one document; `root` is the tree, `refusals` what was wrong in it."""

    def __init__(self) -> None:
        self.root: Any = None
        self.lines: dict[Location, int] = {}
        self.refusals: list[Refused] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._weight = 0

    def feed(self, event: yaml.Event) -> None:
        """Take the next event. Raises Refused when reading on would be useless or dangerous."""
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, yaml.CollectionEndEvent):
            self._close(line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, line)
        else:
            self._check_tag(event, line)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            else:
                self._open(event, line)

    def _grow(self, weight: int, line: int) -> None:
        self._weight += weight
        _check_bounds(len(self._stack), self._weight, line)

    def _check_tag(self, event: Any, line: int) -> None:
        # ATTACK: `!!python/object` builds objects in careless loaders; no tag builds anything here.
        # tests/unit/api/test_documents.py::test_a_tag_that_builds_objects_is_refused
        if event.tag is not None and event.tag not in _PLAIN_TAGS and event.tag != "!":
            raise Refused(
                f"tag {shortened(event.tag)} is not allowed", line=line, allowed="plain values"
            )

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._grow(_NODE_WEIGHT + len(event.value), line)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.node, dict) and frame.key is None:
            self._key(frame, event, line)
            return
        try:
            value = resolve(event.value, tag=event.tag, plain=event.implicit[0])
        except ValueError as error:
            raise Refused(str(error), line=line) from None
        if event.anchor:
            self._anchors[event.anchor] = (value, _NODE_WEIGHT + len(event.value))
        self._attach(value, line)

    def _key(self, frame: _Frame, event: yaml.ScalarEvent, line: int) -> None:
        frame.key_line = line
        if event.value == "<<" and event.implicit[0]:
            frame.merging, frame.key = True, "<<"
            return
        try:
            value = resolve(event.value, tag=event.tag, plain=event.implicit[0])
        except ValueError as error:
            raise Refused(str(error), line=line) from None
        if value is None:
            raise Refused("a key is empty", line=line, allowed="a name")
        # `on: 1` has the key "true" for kubectl as well.
        frame.key = value if isinstance(value, str) else str(value).lower()
        if frame.key in frame.node:
            self.refusals.append(
                Refused(
                    f'key "{shortened(frame.key)}" stands twice in one object',
                    line=line,
                    allowed="each key once",
                )
            )

    def _attach(self, value: Any, line: int) -> None:
        if not self._stack:
            self.root = value
            self.lines.setdefault((), line)
            return
        frame = self._stack[-1]
        if isinstance(frame.node, list):
            self.lines.setdefault((*frame.location, len(frame.node)), line)
            frame.node.append(value)
        elif frame.merging:
            self._merge(frame, value, line)
        else:
            # Set by now: a value without a key was refused where it began.
            key, frame.key = str(frame.key), None
            self.lines.setdefault((*frame.location, key), frame.key_line)
            frame.node[key] = value

    def _merge(self, frame: _Frame, value: Any, line: int) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise Refused("only objects can be merged with <<", line=line)
        frame.merged.extend(sources)
        frame.merging, frame.key = False, None

    def _open(self, event: Any, line: int) -> None:
        self._grow(_NODE_WEIGHT, line)
        location: Location = ()
        started = line
        if self._stack:
            parent = self._stack[-1]
            if isinstance(parent.node, list):
                location = (*parent.location, len(parent.node))
            elif parent.key is None:
                raise Refused("an object or a list cannot be a key", line=line, allowed="a name")
            else:
                location, started = (*parent.location, parent.key), parent.key_line
        self.lines.setdefault(location, started)
        node: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Frame(node, location, event.anchor, self._weight))
        if event.anchor:
            # An alias to a node that is still open finds no value: that would be a cycle.
            self._anchors.pop(event.anchor, None)
        _check_bounds(len(self._stack), self._weight, line)

    def _close(self, line: int) -> None:
        frame = self._stack.pop()
        if isinstance(frame.node, dict):
            for source in frame.merged:
                for key, value in source.items():
                    frame.node.setdefault(key, value)
        if frame.anchor:
            size = _NODE_WEIGHT + self._weight - frame.started_weight
            self._anchors[frame.anchor] = (frame.node, size)
        self._attach(frame.node, line)

    def _alias(self, anchor: str | None, line: int) -> None:
        if anchor is None or anchor not in self._anchors:
            is_open = any(frame.anchor == anchor for frame in self._stack)
            reason = "refers to itself" if is_open else "is not defined"
            raise Refused(f"alias *{shortened(str(anchor))} {reason}", line=line)
        value, size = self._anchors[anchor]
        self._grow(size, line)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.node, dict) and frame.key is None:
            raise Refused("an alias cannot be a key", line=line, allowed="a name")
        self._attach(value, line)
