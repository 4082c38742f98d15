"""Grants: each names one thing, and none leads to the machine itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from casemate.api.access import Access, Calls, FunctionPeer, HostPeer
from casemate.api.meta import FunctionRef


def refusal(model, **fields) -> str:
    with pytest.raises(ValidationError) as caught:
        model(**fields)
    return str(caught.value.errors()[0]["ctx"]["text"])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::",
        "224.0.0.1", "240.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fd00:ec2::254",
    ],
)  # fmt: skip
def test_addresses_of_the_machine_are_not_granted(address):
    assert refusal(HostPeer, name=address) == "is an address that cannot be granted"


@pytest.mark.parametrize(
    "name",
    [
        "api.localhost", "printer.local", "metadata.google.internal", "db.shop.svc",
        "db.shop.svc.cluster.local",
    ],
)  # fmt: skip
def test_names_inside_the_machine_or_cluster_are_not_granted(name):
    assert refusal(HostPeer, name=name) == "is a name inside the machine, the cluster or the cloud"


@pytest.mark.parametrize(
    "name",
    ["localhost", "API.example.com", "a b.c", "*.", "*", "a.*.c", "-a.b", "a..b", "2130706433",
     "0x7f.1 ", "a.b\n", ".".join(["a" * 60] * 5)],
)  # fmt: skip
def test_a_host_name_is_spelled_as_dns_has_it(name):
    assert refusal(HostPeer, name=name) == "is not a valid host name"


@pytest.mark.parametrize("name", ["api.example.com", "*.example.com", "203.0.113.7", "2001:db8::1"])
def test_hosts_outside_can_be_granted(name):
    assert HostPeer(name=name).port == 443


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_is_a_port(port):
    with pytest.raises(ValidationError):
        HostPeer(name="api.example.com", port=port)


def test_a_grant_names_one_thing():
    peer = FunctionPeer(name="orders")

    assert refusal(Calls, function=peer, host=HostPeer(name="a.b")) == "must set exactly one field"
    assert refusal(Calls) == "must set exactly one field"


def test_a_peer_is_in_the_own_namespace_unless_it_says_otherwise():
    assert FunctionPeer(name="a").ref("shop") == FunctionRef("shop", "a")
    assert FunctionPeer(name="a", namespace="b").ref("shop") == FunctionRef("b", "a")
    assert str(FunctionRef("shop", "a")) == "shop/a"


def test_nobody_is_let_in_without_a_grant():
    assert not Access().is_public
    assert Access.model_validate({"invokedBy": [{"public": True}]}).is_public
