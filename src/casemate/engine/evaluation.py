"""Functions among documents are judged by the Pods that come of them, not by their own text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from casemate.api.function import Function
from casemate.api.manifest import parse_manifests
from casemate.engine.rendering import rendered_objects


def with_functions_rendered(
    documents: Iterable[tuple[str, Any]],
) -> Iterator[tuple[str, Any]]:
    """Yield (file, document), with a valid Function replaced by its Deployment.

    An invalid Function is passed on as it is: the evaluator does not know its kind and says no.
    """
    for file, document in documents:
        if isinstance(document, dict) and document.get("kind") == "Function":
            parsed = parse_manifests(json.dumps(document).encode(), file)
            for found in parsed.objects if not parsed.violations else ():
                if isinstance(found, Function):
                    deployment = next(
                        rendered.wire()
                        for rendered in rendered_objects(found)
                        if rendered.wire()["kind"] == "Deployment"
                    )
                    yield file, deployment
            if not parsed.violations:
                continue
        yield file, document
