from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from casemate.identity.keys import SigningKey
from support.gateway_process import GatewayProcess, a_route, a_snapshot, fresh_token, statuses
from support.instance import Instance, Seen, Wire


def test_bad_snapshot_is_rejected_and_the_last_good_one_stays(
    door: GatewayProcess, instance: Instance
) -> None:
    door.publish(a_route(sockets=[str(instance.path)]))

    answers = [door.tell(b"{"), door.tell(a_snapshot(a_route("Bad")))]

    assert [answer["rejected"] for answer in answers] == ["InvalidSnapshot", "InvalidSnapshot"]
    assert door.ask().status == 200


def test_snapshot_in_pieces_is_taken_when_its_line_ends(door: GatewayProcess) -> None:
    line = json.dumps(a_snapshot(generation=99)).encode() + b"\n"

    for start in range(0, len(line), 50):
        door.control.sendall(line[start : start + 50])
        time.sleep(0.001)

    assert door.hear_outcome()["ack"] == 99


def test_blank_lines_are_ignored(door: GatewayProcess) -> None:
    door.control.sendall(b"\n\n")

    assert door.tell(a_snapshot(generation=5))["ack"] == 5


def test_tokens_of_a_key_that_left_are_refused_at_once(
    door: GatewayProcess, instance: Instance
) -> None:
    door.publish(a_route(sockets=[str(instance.path)]))
    token = fresh_token()
    assert door.ask(token=token).status == 200

    jwks = SigningKey.generate().public_jwks()
    door.tell(a_snapshot(a_route(sockets=[str(instance.path)]), jwks=jwks))

    assert door.ask(token=token).status == 401


def test_gateway_ends_with_the_engine(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path / "log")

    process._lines.close()
    process.control.close()

    assert process.process.wait(timeout=5) == 0


def test_drain_finishes_what_was_asked_and_takes_nothing_new(
    tmp_path: Path, instance: Instance
) -> None:
    async def slow(_seen: Seen, wire: Wire) -> None:
        time.sleep(0.4)  # the whole instance is slow
        await wire.answer()

    instance.behave = slow
    with GatewayProcess(tmp_path / "log") as process:
        process.publish(a_route(sockets=[str(instance.path)], public=True))
        idle = process.connect()
        with process.connect() as busy:
            busy.sendall(b"GET /default/hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not instance.seen:
                time.sleep(0.01)
            process.process.send_signal(signal.SIGTERM)
            answer = busy.recv(4096)

        assert statuses(answer) == [200]
        assert idle.recv(10) == b""
        assert process.process.wait(timeout=5) == 0
        idle.close()
