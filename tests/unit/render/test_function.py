"""What every rendering has, whatever valid Function it came from."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import HealthCheck, given, settings

from casemate.api.quantity import parse_quantity
from casemate.render.function import render_objects
from casemate.render.pod_template import render_pod_template
from casemate.render.yaml_text import render_yaml
from casemate.security.pss.evaluate import evaluate_pod
from casemate.security.pss.levels import LATEST, Level
from support.functions import OTHER_DIGEST, a_function, a_policy, functions

SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow], deadline=timedelta(seconds=2))


@SETTINGS
@given(functions())
def test_whatever_is_accepted_fits_the_restricted_level(function):
    template = render_pod_template(function, a_policy(layer_digest=OTHER_DIGEST))

    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}} | template.wire()
    assert evaluate_pod(pod, Level.RESTRICTED, LATEST) == ()


@SETTINGS
@given(functions())
def test_equal_inputs_give_equal_bytes(function):
    again = type(function).model_validate_json(json.dumps(function.wire()), strict=True)

    assert render_yaml(render_objects(function, a_policy())) == render_yaml(
        render_objects(again, a_policy())
    )


@SETTINGS
@given(functions())
def test_every_limit_is_set_and_no_request_exceeds_it(function):
    (container,) = render_pod_template(function, a_policy()).spec.containers

    resources = container.resources
    assert set(resources.limits) == {"cpu", "memory", "ephemeral-storage"}
    for name, request in resources.requests.items():
        assert parse_quantity(request) <= parse_quantity(resources.limits[name])


@SETTINGS
@given(functions())
def test_the_source_is_in_no_object(function):
    marked = function.spec.model_copy(
        update={"source": a_function(source={"inline": {"source": "SOURCE-TEXT"}}).spec.source}
    )

    text = render_yaml(render_objects(function.model_copy(update={"spec": marked}), a_policy()))

    assert "SOURCE-TEXT" not in text
    assert "kind: ConfigMap" not in text


def test_objects_stand_in_the_order_to_apply_them():
    kinds = [found.wire()["kind"] for found in render_objects(a_function(), a_policy())]

    assert kinds == ["ServiceAccount", "NetworkPolicy", "Deployment", "Service"]
