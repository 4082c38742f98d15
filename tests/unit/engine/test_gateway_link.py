"""Where the gateway may listen: on loopback alone, as long as it speaks plain HTTP."""

from __future__ import annotations

import pytest

from casemate.engine.gateway_link import GatewayLink, InvalidGatewayAddress


@pytest.mark.parametrize("listen", ["127.0.0.1:8088", "127.8.8.8:0", "[::1]:8088", "localhost:0"])
def test_loopback_is_accepted(listen):
    GatewayLink(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:8088", "[::]:8088", "192.0.2.1:80"])
def test_an_address_that_others_reach_is_refused_without_tls(listen):
    with pytest.raises(InvalidGatewayAddress, match="has no TLS"):
        GatewayLink(listen)


@pytest.mark.parametrize("listen", ["8088", "example.org:80", "127.0.0.1:x", ""])
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(InvalidGatewayAddress, match="no address"):
        GatewayLink(listen)
