from __future__ import annotations

import http.client

from support.gateway_process import GatewayProcess, a_route, fresh_token
from support.instance import Instance


def test_metrics_count_requests_and_denials_by_reason(tmp_path, instance: Instance) -> None:
    with GatewayProcess(tmp_path / "log") as door:
        door.publish(a_route(sockets=[str(instance.path)]))
        door.ask()
        door.ask(token=None)
        door.ask(token=fresh_token("other"))

        text = door.metrics()

    labels = 'function="hello",namespace="default"'
    assert f'casemate_gateway_requests_total{{code="200",{labels}}} 1.0' in text
    assert f'casemate_gateway_requests_total{{code="401",{labels}}} 1.0' in text
    assert f"casemate_gateway_request_duration_seconds_count{{{labels}}} 3.0" in text
    assert f"casemate_gateway_in_flight{{{labels}}} 0.0" in text
    assert 'casemate_gateway_denials_total{reason="TokenMissing"} 1.0' in text
    assert 'casemate_gateway_denials_total{reason="AudienceWrong"} 1.0' in text


def test_metrics_are_not_on_the_public_address(door: GatewayProcess) -> None:
    door.publish()

    assert door.ask("/metrics", token=None).status == 404


def test_metrics_address_answers_nothing_else(door: GatewayProcess) -> None:
    answers = {}
    for path in ("/healthz", "/", "/default/hello"):
        connection = http.client.HTTPConnection("127.0.0.1", door.metrics_port, timeout=5)
        connection.request("GET", path)
        answers[path] = connection.getresponse().status
        connection.close()

    assert answers == {"/healthz": 200, "/": 404, "/default/hello": 404}


def test_endless_head_at_the_metrics_address_is_cut_off(door: GatewayProcess) -> None:
    import socket  # noqa: PLC0415

    with socket.create_connection(("127.0.0.1", door.metrics_port), timeout=5) as connection:
        connection.sendall(b"x" * 9000)

        assert connection.recv(10) == b""
