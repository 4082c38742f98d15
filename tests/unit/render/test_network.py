"""Nothing in but the gateway, nothing out but what is granted."""

from __future__ import annotations

import pytest

from casemate.render.network import render_network_policy
from support.functions import a_function, a_policy

GATEWAY, EGRESS = "casemate-gateway", "casemate-egress"


def peers(rules) -> list[tuple[str, list[int]]]:
    return [
        (
            rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
            [port["port"] for port in rule["ports"]],
        )
        for rule in rules
    ]


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (None, []),
        ({}, []),
        ({"invokedBy": [{"public": True}]}, []),
        ({"calls": [{"function": {"name": "a"}}]}, [(GATEWAY, [8080])]),
        ({"calls": [{"host": {"name": "a.b"}}]}, [(EGRESS, [3128])]),
        ({"publishes": ["a.v1"]}, [(EGRESS, [3128])]),
        (
            {"calls": [{"function": {"name": "a"}}, {"service": {"name": "b", "port": 1}}]},
            [(GATEWAY, [8080]), (EGRESS, [3128])],
        ),
    ],
)
def test_egress_is_what_is_granted(access, expected):
    function = a_function(**({"access": access} if access is not None else {}))

    policy = render_network_policy(function, a_policy()).wire()["spec"]

    assert peers(policy["egress"]) == expected
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (ingress,) = policy["ingress"]
    assert ingress["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == GATEWAY
