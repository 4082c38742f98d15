"""Rules across fields, run on what is sound of a Function whose types are partly wrong.

Without this the first typing mistake would hide every later mistake of another kind; a manifest's
author would meet them one at a time.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from casemate.api.function import Function
from casemate.api.rules import function_violations
from casemate.api.violations import Location, Violation, path_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def rule_violations_of_rest(
    tree: dict[str, Any], wrong: list[Location]
) -> Iterator[tuple[Location, Violation]]:
    """Run the cross-field rules on the Function without the parts whose types are wrong."""
    spec = tree.get("spec")
    fields = dict(spec) if isinstance(spec, dict) else {}
    kept = _drop(fields, [location[1:] for location in wrong if location[:1] == ("spec",)])
    sound = {
        "apiVersion": "serverless.kyma-project.io/v1alpha2",
        "kind": "Function",
        "metadata": {"name": "f"},
        # What is needed to look at the rest; a violation there was already reported.
        "spec": {"runtime": "python312", "source": {"inline": {"source": "-"}}} | fields,
    }
    try:
        function = Function.model_validate_json(json.dumps(sound), strict=True)
    except ValidationError:
        return
    for location, violation in function_violations(function):
        place = _original(location, kept)
        yield place, replace(violation, path=path_text(place))


def _drop(fields: dict[str, Any], wrong: list[Location]) -> dict[str, list[int]]:
    """Remove the wrong items of lists, and other wrong fields whole; return the indexes kept."""
    kept: dict[str, list[int]] = {}
    by_field: dict[str, set[int | str | None]] = {}
    for location in wrong:
        if location:
            item = location[1] if len(location) > 1 else None
            by_field.setdefault(str(location[0]), set()).add(item)
    for name, items in by_field.items():
        value = fields.pop(name, None)
        if isinstance(value, list) and None not in items:
            kept[name] = [index for index in range(len(value)) if index not in items]
            fields[name] = [value[index] for index in kept[name]]
    return kept


def _original(location: Location, kept: dict[str, list[int]]) -> Location:
    """Return where in the manifest the place `location` of the reduced Function was."""
    indexes = kept.get(str(location[1]))
    if indexes is None or not isinstance(location[2], int):
        return location
    return (*location[:2], indexes[location[2]], *location[3:])
