"""Functions among documents are judged by the Pods that come of them, not by their own text.

The answer still names what the user wrote: `Function/hello`, never the Deployment that was rendered
to find out. An invalid Function stays as it is: the evaluator does not know its kind and says no.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from casemate.api.function import Function
from casemate.api.manifest import parse_manifests
from casemate.engine.rendering import rendered_objects
from casemate.security.pss.evaluate import Evaluation, evaluate_object
from casemate.security.pss.extract import flatten
from casemate.security.pss.levels import Level, PolicyVersion, parse_level, parse_version


def evaluate_manifests(
    documents: Iterable[tuple[str, Any]], level: str, version: str
) -> list[dict[str, object]]:
    """Judge every object of `(file, document)` pairs, answering as `evaluate_documents` does.

    Raises UnknownPolicy, or Unrenderable for a Function that no Pod may come of.
    """
    wanted = parse_level(level), parse_version(version)
    return [
        _evaluated(file, item, *wanted).wire(file)
        for file, document in documents
        for item in (() if document is None else flatten(document))
    ]


def _evaluated(file: str, item: object, level: Level, version: PolicyVersion) -> Evaluation:
    function = _function(file, item)
    if function is None:
        return evaluate_object(item, level, version)
    wires = (rendered.wire() for rendered in rendered_objects(function))
    deployment = next(wire for wire in wires if wire["kind"] == "Deployment")
    evaluation = evaluate_object(deployment, level, version)
    return replace(evaluation, kind="Function", name=function.ref.name)


def _function(file: str, item: object) -> Function | None:
    if not isinstance(item, dict) or item.get("kind") != "Function":
        return None
    parsed = parse_manifests(json.dumps(item).encode(), file)
    return parsed.functions[0] if parsed.functions and not parsed.violations else None
