"""Resolvers and installers run as nobody, see little, and end in time."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from casemate.node.tool_bounds import TOOL_LIMITS, WriteLimits, tool_group
from casemate.node.tool_sandbox import TOOL_UID, ToolRun, ToolTimeout, ToolWroteTooMuch, run_tool
from support.sandboxes import PYTHON, host_root_view


def run_python(code: str, **fields):
    return run_tool(ToolRun((PYTHON, "-I", "-S", "-c", code), host_root_view(), **fields))


@pytest.fixture
def place():
    made = Path(tempfile.mkdtemp(prefix="casemate-tool-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_tool_runs_and_its_words_come_back():
    done = run_python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")

    assert (done.code, done.stdout.strip(), done.stderr.strip()) == (3, "out", "err")


@pytest.mark.skipif(os.geteuid() != 0, reason="without root it is the user who started it")
def test_a_tool_is_nobody_on_the_host(place):
    run_python("open('/work/made', 'w')", writable=((place, "/work"),))

    assert (place / "made").stat().st_uid == TOOL_UID


def test_a_tool_sees_no_file_that_it_was_not_given(place):
    (place / "secret").write_text("x")

    done = run_python(f"open('{place}/secret')")

    assert done.code != 0
    assert "No such file" in done.stderr


def test_what_is_given_read_only_cannot_be_written(place):
    (place / "f").write_text("x")

    done = run_python("open('/given/f', 'w')", read_only=((place, "/given"),))

    assert done.code != 0
    assert (place / "f").read_text() == "x"


def test_without_being_granted_it_a_tool_has_no_network():
    done = run_python("import socket; socket.create_connection(('127.0.0.1', 9), 1)")

    assert "unreachable" in done.stderr or "refused" in done.stderr
    assert run_python("print(open('/proc/net/dev').read().count(':'))").stdout.strip() == "1"


def test_the_hosts_environment_does_not_reach_a_tool(monkeypatch):
    monkeypatch.setenv("CASEMATE_TEST_SECRET", "x")

    assert "CASEMATE_TEST_SECRET" not in run_python("import os; print(list(os.environ))").stdout


def test_private_files_are_readable_by_the_tool_alone():
    code = "import os; print(oct(os.stat(os.path.expanduser('~/.npmrc')).st_mode & 0o777))"

    done = run_python(code, private_files={".npmrc": b"token"})

    assert done.stdout.strip() == "0o600"


def test_a_tool_that_does_not_end_is_ended():
    with pytest.raises(ToolTimeout):
        run_python("import time; time.sleep(60)", timeout_seconds=1)


def test_a_tool_has_a_functions_list_of_system_calls():
    code = "import os; print([l for l in open('/proc/self/status') if l.startswith('Seccomp:')])"

    assert "Seccomp:\\t2" in run_python(code).stdout
    # keyctl, which RuntimeDefault of no container engine allows either.
    done = run_python("import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall(250, 0, -3, 0);"
                      "print(ctypes.get_errno())")  # fmt: skip
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("f.write(b'x' * (1 << 20))", WriteLimits(total_bytes=8 << 20)),
        ("open(f'/work/{i}', 'w').close()", WriteLimits(entries=100)),
    ],
    ids=["bytes", "entries"],
)
def test_a_tool_that_fills_the_disk_is_ended(place, code, limits):
    endless = f"import itertools, time\nf = open('/work/f', 'wb')\nfor i in range(2000): {code}\ntime.sleep(60)"

    with pytest.raises(ToolWroteTooMuch, match="wrote more than"):
        run_python(endless, writable=((place, "/work"),), write_limits=limits)


def test_the_scratch_memory_of_a_tool_is_bounded():
    code = "f = open('/tmp/f', 'wb')\nfor _ in range(400): f.write(b'x' * (1 << 20))"

    assert "No space left" in run_python(code).stderr


@pytest.mark.timeout(90)  # 2 GiB must be touched before the limit is met
def test_a_tool_that_eats_memory_harms_only_itself():
    done = run_python("x = []\nwhile True: x.append(bytearray(b'x') * (64 << 20))")

    assert done.code != 0


def test_a_tools_group_bounds_it_and_is_gone_afterwards():
    with tool_group() as cgroup:
        if cgroup is None or not cgroup.bounds("pids"):
            pytest.skip("this machine lends no pids control group")
        files = [Path(path).parent for path in cgroup.join_files()]
        bounds = {text.read_text().strip() for part in files for text in part.glob("pids.max")}

    assert str(TOOL_LIMITS.processes) in bounds
    assert not any(part.exists() for part in files)
