"""The installation's settings: strict by default, and what Functions ask of them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from casemate.api.rules import installation_violations
from casemate.api.serverless import Endpoint, IdentityIssuer, Serverless
from support.functions import a_function

HEAD = {
    "apiVersion": "operator.kyma-project.io/v1alpha1",
    "kind": "Serverless",
    "metadata": {"name": "default", "namespace": "kyma-system"},
}


def test_an_installation_without_settings_is_the_strict_one():
    spec = Serverless.model_validate(HEAD).spec

    assert spec.security.relaxations == "deny"
    assert spec.access.mode == "enforce"
    assert spec.identity.token_lifetime_seconds == 600


def test_kymas_fields_are_accepted():
    tree = HEAD | {
        "spec": {
            "eventing": {"endpoint": "http://eventing.kyma-system/publish"},
            "tracing": {"endpoint": ""},
            "functionRequeueDuration": "5m",
            "healthzLivenessTimeout": "10s",
            "defaultRuntimePodPreset": "M",
            "logLevel": "info",
            "logFormat": "json",
            "targetCPUUtilizationPercentage": "50",
            "dockerRegistry": {"enableInternal": True},
        }
    }

    assert Serverless.model_validate(tree).spec.default_runtime_pod_preset == "M"


@pytest.mark.parametrize("url", ["http://idp.example", "https://a b", "idp.example"])
def test_an_issuer_is_reached_by_https(url):
    with pytest.raises(ValidationError, match="is not an https URL"):
        IdentityIssuer(name="corp", issuer=url, audiences=("a",))


def test_an_endpoint_is_a_url_or_empty():
    with pytest.raises(ValidationError, match="is not a URL"):
        Endpoint(endpoint="eventing")


def test_an_issuer_that_the_installation_does_not_know_is_a_violation():
    issuer = {"name": "corp", "issuer": "https://idp.example", "audiences": ["a"]}
    known = Serverless.model_validate(HEAD | {"spec": {"identity": {"issuers": [issuer]}}})
    grants = [{"public": True}, {"jwt": {"issuer": "corp"}}, {"jwt": {"issuer": "copr"}}]
    function = a_function(access={"invokedBy": grants})

    ((location, found),) = installation_violations(function, known)

    assert location == ("spec", "access", "invokedBy", 2, "jwt", "issuer")
    assert str(found) == (
        'spec.access.invokedBy[2].jwt.issuer: issuer "copr" is not known to this installation, '
        'allowed: corp\nhint: did you mean "corp"?'
    )
    assert installation_violations(a_function(), known) == ()
