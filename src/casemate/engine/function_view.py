"""A Function as its readers see it: kind, spec without source, status. Never a line of code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from casemate.api.conditions import Condition
from casemate.api.function import Function, FunctionAddress, FunctionStatus
from casemate.controller.observation import Configured, Observed


def function_row(
    function: Function,
    configured: Configured | None,
    observed: Observed,
    *,
    conditions: Iterable[Condition],
    address: tuple[str, str],
) -> dict[str, Any]:
    """Return the wire shape with `status`; `address` is (URL, audience)."""
    spec = function.spec.wire()
    # ATTACK: who may see a Function may not therefore read its code; only its kind is shown.
    # tests/unit/engine/test_function_view.py
    spec["source"] = (
        {"gitRepository": spec["source"]["gitRepository"]}
        if ("gitRepository" in spec["source"])
        else {"inline": {}}
    )
    for variable in spec.get("env", ()):
        variable.pop("value", None)
    status = FunctionStatus(
        observed_generation=configured.generation if configured else None,
        runtime=function.spec.runtime,
        replicas=observed.ready,
        ready_replicas=observed.ready,
        conditions=tuple(conditions),
        address=FunctionAddress(url=address[0], audience=address[1]),
        revision=configured.revision if configured else None,
        relaxed_fields=(configured.relaxed_fields or None) if configured else None,
    )
    return {
        "apiVersion": function.api_version,
        "kind": function.kind,
        "metadata": function.metadata.wire(),
        "spec": spec,
        "status": status.wire(),
    }
