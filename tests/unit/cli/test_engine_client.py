"""The command line's side of the control socket."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from casemate.cli.engine_client import EngineRefused, NoEngine, ask_engine
from casemate.errors import NotFound


@pytest.fixture
def place(tmp_path, monkeypatch):
    folder = tmp_path / "r"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CASEMATE_RUN_DIR", str(folder))
    return folder


def answer_once(folder, answer: bytes) -> threading.Thread:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "control.sock"))
    listener.listen()

    def serve():
        peer, _ = listener.accept()
        with peer, listener:
            peer.recv(65536)
            peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_the_answer_is_the_engines_object(place):
    serving = answer_once(place, json.dumps({"pid": 7}).encode() + b"\n")

    assert ask_engine("status") == {"pid": 7}
    serving.join()


def test_a_refusal_keeps_its_kind_and_words(place):
    fault = {"error": {"code": "NotFound", "message": "no function x", "hint": "apply it"}}
    serving = answer_once(place, json.dumps(fault).encode() + b"\n")

    with pytest.raises(NotFound, match="no function x"):
        ask_engine("token", name="x")
    serving.join()


def test_any_other_refusal_is_exit_1(place):
    fault = {"error": {"code": "Invalid", "message": "seconds must be 1 to 600"}}
    serving = answer_once(place, json.dumps(fault).encode() + b"\n")

    with pytest.raises(EngineRefused) as refused:
        ask_engine("token", seconds=0)
    serving.join()
    assert refused.value.exit_code == 1


def test_without_a_socket_there_is_no_engine(place):
    with pytest.raises(NoEngine, match="no engine is running"):
        ask_engine("status")


def test_an_engine_that_hangs_up_is_no_engine(place):
    serving = answer_once(place, b"")

    with pytest.raises(NoEngine):
        ask_engine("status")
    serving.join()


def test_a_directory_that_others_can_write_to_is_not_trusted(place):
    serving = answer_once(place, b"{}\n")
    place.chmod(0o777)

    with pytest.raises(NoEngine, match="writable by others"):
        ask_engine("status")
    place.chmod(0o700)
    ask_engine("status")
    serving.join()
