"""Defaults and Kyma's older spellings come to the same values for everyone."""

from __future__ import annotations

import pytest

from casemate.api.effective import (
    desired_replicas,
    request_limit_bytes,
    scaling_bounds,
    timeout_seconds,
)
from support.functions import a_function


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 180),
        ({"timeoutSeconds": 5}, 5),
        ({"env": [{"name": "FUNC_TIMEOUT", "value": "7"}]}, 7),
        ({"env": [{"name": "FUNC_TIMEOUT", "value": ""}]}, 180),
    ],
)
def test_the_timeout_is_the_field_then_the_variable_then_the_default(spec, seconds):
    assert timeout_seconds(a_function(**spec).spec) == seconds


@pytest.mark.parametrize(
    ("spec", "mebibytes"),
    [
        ({}, 100),
        ({"runtime": "nodejs24"}, 1),
        ({"env": [{"name": "REQ_MB_LIMIT", "value": "3"}]}, 3),
    ],
)
def test_the_body_limit_is_the_variable_or_the_languages(spec, mebibytes):
    assert request_limit_bytes(a_function(**spec).spec) == mebibytes * 1024 * 1024


@pytest.mark.parametrize(
    ("spec", "bounds", "replicas"),
    [
        ({}, (0, 10, 20, 300), 1),
        ({"replicas": 3}, (3, 3, 20, 300), 3),
        ({"replicas": 0}, (0, 0, 20, 300), 0),
        ({"scaleConfig": {"minReplicas": 2, "maxReplicas": 4}}, (2, 4, 20, 300), 2),
        ({"scaling": {"min": 0, "max": 2, "concurrency": 5, "idleSeconds": 9}}, (0, 2, 5, 9), 1),
        ({"scaling": {"min": 2, "max": 4}, "replicas": 9}, (2, 4, 20, 300), 4),
    ],
)
def test_scaling_is_bounded(spec, bounds, replicas):
    function = a_function(**spec)

    assert scaling_bounds(function.spec) == bounds
    assert desired_replicas(function.spec) == replicas
