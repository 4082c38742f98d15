"""Limits hold in real sandboxes, with cgroups and, for an ordinary user, without."""

from __future__ import annotations

import json

import pytest

from support.ordinary_user import run_as_ordinary_user
from support.sandboxes import a_plan, run_plan

pytestmark = pytest.mark.sandbox

EAT_MEMORY = "held = []\nwhile True: held.append(bytearray(1 << 20))"
FORK_UNTIL_REFUSED = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(20)
        count += 1
except BlockingIOError:
    print(count)
"""
FILL_SCRATCH = """
import errno
try:
    with open("/tmp/fill", "wb") as file:
        while True: file.write(bytes(1 << 20))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
# Prints [exit code, oom_killed, stdout] of `code` under an ordinary user.
AS_USER = """
import json, sys
from pathlib import Path
from support.sandboxes import a_plan, run_plan
done = run_plan(a_plan(sys.argv[1], **json.loads(sys.argv[2])), Path.cwd())
print(json.dumps([done.status.code, done.status.oom_killed, done.stdout]))
"""


def test_memory_above_the_limit_is_an_out_of_memory_kill(tmp_path):
    done = run_plan(a_plan(EAT_MEMORY), tmp_path)

    assert (done.status.code, done.status.oom_killed) == (137, True)


def test_a_fork_bomb_stops_at_the_process_limit(tmp_path):
    done = run_plan(a_plan(FORK_UNTIL_REFUSED), tmp_path)

    assert 200 < int(done.stdout) < 257


def test_scratch_space_ends_at_its_size(tmp_path):
    done = run_plan(a_plan(FILL_SCRATCH), tmp_path)

    assert done.stdout in {"ENOSPC\n", "EFBIG\n"}


# 250 forks share their pages, but the poll counts them in each: without room it may come first.
ROOMY = {"cpu": "800m", "memory": "8Gi"}


@pytest.mark.parametrize(
    ("code", "limits", "expected"),
    [
        (EAT_MEMORY, None, lambda code, oom, _out: code != 0 and (oom or code == 1)),
        (FORK_UNTIL_REFUSED, ROOMY, lambda code, _oom, out: code == 0 and 200 < int(out) < 257),
        (FILL_SCRATCH, None, lambda _code, _oom, out: out in {"ENOSPC\n", "EFBIG\n"}),
    ],
    ids=["memory", "processes", "scratch"],
)
def test_limits_hold_for_an_ordinary_user_without_cgroups(code, limits, expected):
    container = {"resources": {"limits": limits}} if limits else {}
    done = run_as_ordinary_user(AS_USER, code, json.dumps({"container": container}))

    assert done.returncode == 0, done.stderr
    assert expected(*json.loads(done.stdout)), done.stdout
