"""What readers of a Function see."""

from __future__ import annotations

import json

from casemate.api.manifest import parse_manifests
from casemate.controller.observation import Observed
from casemate.engine.function_view import function_row

MANIFEST = {
    "apiVersion": "serverless.kyma-project.io/v1alpha2",
    "kind": "Function",
    "metadata": {"name": "private"},
    "spec": {
        "runtime": "python313",
        "env": [{"name": "PASSWORD", "value": "hunter2-in-plain"}],
        "source": {
            "inline": {"source": "TOP = 'a trade secret'", "dependencies": "an-inner-package==1"}
        },
    },
}


def test_source_dependencies_and_plain_values_are_not_shown():
    function = parse_manifests(json.dumps(MANIFEST).encode(), "t").functions[0]

    row = function_row(function, None, Observed(), conditions=(), address=("http://x/", "aud"))

    text = json.dumps(row)
    assert row["spec"]["source"] == {"inline": {}}
    assert row["status"]["address"] == {"url": "http://x/", "audience": "aud"}
    for hidden in ("trade secret", "an-inner-package", "hunter2"):
        assert hidden not in text
