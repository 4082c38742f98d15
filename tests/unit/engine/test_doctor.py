"""What doctor says of this machine."""

from __future__ import annotations

import asyncio

from casemate.engine.doctor import DEGRADED, MISSING, OK, _namespaces, examine
from casemate.node import tool_sandbox
from support.engine_session import test_settings as settings_in


def test_every_runtime_and_the_sandbox_are_looked_at(tmp_path):
    checks = {check.name: check for check in asyncio.run(examine(settings_in(tmp_path)))}

    assert checks["kernel"].status == OK
    assert checks["sandbox"].status == OK
    assert len([name for name in checks if name.startswith("runtime ")]) == 6


def test_whatever_is_not_ok_says_how_to_get_it(tmp_path):
    checks = asyncio.run(examine(settings_in(tmp_path)))

    assert all(check.remedy for check in checks if check.status in (DEGRADED, MISSING))


def test_a_machine_without_namespaces_is_told_what_to_change(monkeypatch):
    refused = tool_sandbox.ToolResult(1, "", "bwrap: setting up uid map: Permission denied\n")
    monkeypatch.setattr("casemate.engine.doctor.run_tool", lambda _run: refused)

    check = _namespaces("/usr/bin/bwrap")

    assert check.status == MISSING
    assert "uid map" in check.detail
    assert "userns" in check.remedy
