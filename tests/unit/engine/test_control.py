"""The engine's private door."""

from __future__ import annotations

import asyncio
import json
import stat

from casemate.engine.control import ControlServer
from casemate.errors import NotFound


async def echo(request):
    return {"echo": request}


async def missing(_request):
    raise NotFound("no function 'x'", hint="apply it")


async def defect(_request):
    raise RuntimeError("a secret detail")


def answer_to(path, line: bytes):
    async def scenario():
        server = ControlServer(path, {"echo": echo, "missing": missing, "defect": defect})
        await server.start()
        mode = stat.S_IMODE(path.stat().st_mode)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(line)
        answer = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await server.close()
        return mode, json.loads(answer)

    return asyncio.run(scenario())


def test_an_operation_gets_the_request_without_its_name(tmp_path):
    _, answer = answer_to(tmp_path / "c", b'{"operation": "echo", "a": 1}\n')

    assert answer == {"echo": {"a": 1}}


def test_the_socket_is_open_to_its_owner_only(tmp_path):
    mode, _ = answer_to(tmp_path / "c", b'{"operation": "echo"}\n')

    assert mode == 0o600


def test_our_errors_travel_with_code_message_and_hint(tmp_path):
    _, answer = answer_to(tmp_path / "c", b'{"operation": "missing"}\n')

    assert answer["error"] == {"code": "NotFound", "message": "no function 'x'", "hint": "apply it"}


def test_unreadable_requests_are_invalid(tmp_path):
    for line in (b"nonsense\n", b"[1]\n", b'{"operation": "nope"}\n', b'{"operation": 5}\n'):
        (tmp_path / "c").unlink(missing_ok=True)
        _, answer = answer_to(tmp_path / "c", line)

        assert answer["error"]["code"] in {"Invalid", "UnknownOperation"}


def test_a_defect_is_reported_without_its_details(tmp_path, capsys):
    _, answer = answer_to(tmp_path / "c", b'{"operation": "defect"}\n')

    assert answer["error"]["code"] == "Internal"
    assert "secret" not in json.dumps(answer)
