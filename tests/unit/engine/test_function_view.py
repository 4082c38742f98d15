"""What readers of a Function see."""

from __future__ import annotations

import json

from casemate.engine.function_view import function_row

STORED = {
    "apiVersion": "serverless.kyma-project.io/v1alpha2",
    "kind": "Function",
    "metadata": {
        "name": "private",
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "TOP = 'a trade secret'"
        },
    },
    "spec": {
        "runtime": "python313",
        "env": [{"name": "PASSWORD", "value": "hunter2-in-plain"}],
        "source": {
            "inline": {"source": "TOP = 'a trade secret'", "dependencies": "an-inner-package==1"}
        },
    },
    "status": {"address": {"url": "http://x/", "audience": "aud"}},
}


def test_source_dependencies_and_plain_values_are_not_shown():
    row = function_row(STORED)

    text = json.dumps(row)
    assert row["spec"]["env"] == [{"name": "PASSWORD"}]
    assert row["status"]["address"] == {"url": "http://x/", "audience": "aud"}
    for hidden in ("trade secret", "an-inner-package", "hunter2"):
        assert hidden not in text


def test_what_is_stored_stays_as_it_is():
    before = json.dumps(STORED)

    function_row(STORED)

    assert json.dumps(STORED) == before
