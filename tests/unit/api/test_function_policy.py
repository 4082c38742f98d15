"""Policies name what they loosen, where, and why."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from casemate.api.function_policy import (
    RELAXABLE_FIELDS,
    FunctionPolicy,
    NamespaceSelector,
    Relaxation,
    selects,
)


def test_a_policy_is_read_and_loosens_nothing_by_default():
    policy = FunctionPolicy.model_validate({
        "apiVersion": "casemate.dev/v1alpha1", "kind": "FunctionPolicy", "metadata": {"name": "p"},
        "spec": {"namespaces": {"names": ["shop"]}, "images": {}},
    })  # fmt: skip

    assert policy.spec.relaxations == ()
    assert policy.spec.images is not None
    assert not policy.spec.images.allow_unpinned
    assert not policy.spec.images.allow_unsigned


def test_only_a_field_that_exists_can_be_relaxed():
    assert "containerSecurityContext.runAsUser" in RELAXABLE_FIELDS

    with pytest.raises(ValidationError) as caught:
        Relaxation(fields=("containerSecurityContext.runAsUsr",), reason="because")

    hint = caught.value.errors()[0]["ctx"]["hint"]
    assert hint == 'did you mean "containerSecurityContext.runAsUser"?'


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, False),
        ({"names": ["shop"]}, True),
        ({"names": ["other"]}, False),
        ({"match_labels": {"tier": "dev"}}, True),
        ({"match_labels": {"tier": "prod"}}, False),
        ({"names": ["other"], "match_labels": {"tier": "dev"}}, False),
        ({"names": ["shop"], "match_labels": {"tier": "dev"}}, True),
    ],
)
def test_a_policy_speaks_about_the_namespaces_it_names(selector, selected):
    assert selects(NamespaceSelector(**selector), "shop", {"tier": "dev"}) is selected
