"""The JSONPath of printer columns: names, indexes and equality filters; pure.

What CustomResourceDefinitions use in practice, and all that ours use. Source of the meaning:
k8s.io/client-go v0.36, util/jsonpath; there a column shows the first result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterator[Any]]
_STEP = re.compile(
    r"""\.(?P<name>(?:[^.\[\]\\]|\\.)+)
      | \[(?P<index>-?\d+)\]
      | \['(?P<quoted>[^']*)'\]
      | \[\?\(@(?P<left>(?:\.[^.=\[\]() ]+)+)\s*==\s*(?P<quote>['"])(?P<right>.*?)(?P=quote)\)\]
      | \[(?P<all>\*)\]""",
    re.VERBOSE,
)


class InvalidPath(ValueError):
    """The text is no path of this language; a defect of a column, never of an object."""


@lru_cache(maxsize=256)
def compiled(path: str) -> tuple[Step, ...]:
    """Read a path such as `.status.conditions[?(@.type=='Running')].status`."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise InvalidPath(path)
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def first(path: str, tree: Any) -> tuple[bool, Any]:
    """Return whether there is a result, and the first one."""
    results: Iterator[Any] = iter((tree,))
    for step in compiled(path):
        results = _each(step, results)
    for result in results:
        return True, result
    return False, None


def _each(step: Step, values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        yield from step(value)


def _step(match: re.Match[str]) -> Step:
    found = match.groupdict()
    if found["index"] is not None:
        return _at_index(int(found["index"]))
    if found["all"]:
        return _all
    if found["left"]:
        return _where(found["left"].removeprefix(".").split("."), found["right"])
    if found["quoted"] is not None:
        return _named(found["quoted"])
    return _named(re.sub(r"\\(.)", r"\1", found["name"]))


def _named(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _at_index(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _where(names: list[str], wanted: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            at = item
            for name in names:
                at = at.get(name) if isinstance(at, dict) else None
            if at == wanted:
                yield item

    return step
