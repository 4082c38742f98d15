"""A Function as those see it who may not read its source: no line of code, no variable's value."""

from __future__ import annotations

from typing import Any

from casemate.apiserver.resource import Tree
from casemate.apiserver.source_privacy import without_source


def function_row(tree: Tree) -> dict[str, Any]:
    """Return a copy of a stored Function that may be shown to anybody who may list it."""
    # ATTACK: who may see a Function may not therefore read its code; only its kind is shown.
    # tests/unit/engine/test_function_view.py
    row = without_source(tree)
    row["metadata"] = {
        name: value for name, value in row["metadata"].items() if name != "managedFields"
    }
    spec = dict(row.get("spec") or {})
    if spec.get("env"):
        spec["env"] = [
            {name: value for name, value in variable.items() if name != "value"}
            for variable in spec["env"]
        ]
    return {**row, "spec": spec, "status": row.get("status") or {}}
