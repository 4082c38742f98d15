"""The engine in the background, as a user types it: up, apply, get, change, back, down, up again."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

HELLO = """\
apiVersion: serverless.kyma-project.io/v1alpha2
kind: Function
metadata: {name: hello}
spec:
  runtime: python313
  source:
    inline:
      source: |
        def main(event, context):
            return "GREETING"
"""
BROKEN = HELLO.replace("name: hello", "name: broken").replace("python313", "python9")


class Background:
    """`casemate up` with a data directory of its own; every command finds it."""

    def __init__(self, shell) -> None:
        self.shell = shell
        self.data_dir = f"{shell.run_dir}/data"
        self.where = ("--data-dir", self.data_dir)

    def up(self) -> None:
        done = self.shell.run(
            "up", *self.where, "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"
        )
        assert done.returncode == 0, done.stderr

    def ok(self, *words: str, stdin: str = "") -> str:
        done = self.shell.run(*words, stdin=stdin, seconds=120)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def apply(self, manifest: str) -> str:
        return self.ok("apply", "-f", "-", stdin=manifest)

    def serving(self, greeting: str) -> None:
        """Apply the greeting and wait until it is what callers hear."""
        self.apply(HELLO.replace("GREETING", greeting))
        self.ok("rollout", "status", "hello")
        assert self.ok("invoke", "hello") == greeting


@pytest.fixture
def background(shell):
    made = Background(shell)
    made.up()
    yield made
    shell.run("down", seconds=90)


def test_what_was_applied_answers_and_is_shown(background):
    background.serving("one")

    table = background.ok("get", "fn").splitlines()
    assert table[0].split() == ["NAME", "CONFIGURED", "RUNNING", "RUNTIME", "VERSION", "AGE"]
    assert table[1].split()[:4] == ["hello", "True", "True", "python313"]
    assert background.ok("get", "fn", "-o", "name") == "function/hello\n"
    assert json.loads(background.ok("get", "fn", "hello", "-o", "json"))["status"]["revision"]
    described = background.ok("describe", "hello")
    assert "revision hello-" in described
    assert "Events:" in described
    assert json.loads(background.ok("status", "-o", "json"))["functions"] == {"running": 1}


def test_a_restart_brings_every_function_back(background):
    background.serving("one")

    background.ok("down")
    assert background.shell.run("status").returncode == 5
    background.up()

    background.ok("rollout", "status", "hello")
    assert background.ok("invoke", "hello") == "one"


def test_undo_gives_callers_the_revision_before(background):
    background.serving("one")
    background.serving("two")
    rows = json.loads(background.ok("rollout", "history", "hello", "-o", "json"))
    assert [row["revision"] for row in rows] == [1, 2]
    assert [row["serves"] for row in rows] == ["", "yes"]

    background.ok("rollout", "undo", "hello")

    background.ok("rollout", "status", "hello")
    assert background.ok("invoke", "hello") == "one"
    wrong = background.shell.run("rollout", "undo", "hello", "--to-revision", "99")
    assert wrong.returncode == 4
    assert "there are: " in wrong.stderr


def test_a_manifest_with_a_broken_object_changes_nothing(background):
    done = background.shell.run("apply", "-f", "-", stdin=f"{HELLO}---\n{BROKEN}")

    assert done.returncode == 2
    assert "python9" in done.stderr
    assert background.ok("get", "fn", "-o", "name") == ""


def test_a_backup_brings_back_what_was_deleted(background, tmp_path):
    background.serving("one")
    backup = str(tmp_path / "backup.tar")
    background.ok("backup", backup, *background.where)
    assert background.ok("delete", "fn", "hello") == "function/hello deleted\n"
    assert background.shell.run("get", "fn", "hello").returncode == 4
    refused = background.shell.run("restore", backup, *background.where)
    assert refused.returncode != 0
    assert "casemate down" in refused.stderr

    background.ok("down")
    background.ok("restore", backup, *background.where, "--replace")
    background.up()

    background.ok("rollout", "status", "hello")
    assert background.ok("invoke", "hello") == "one"


def test_a_new_key_seals_what_was_applied_before(background):
    background.serving("one")
    background.ok("down")

    background.ok("rotate-key", *background.where)

    background.up()
    background.ok("rollout", "status", "hello")
    assert background.ok("invoke", "hello") == "one"


def test_the_log_of_an_instance_can_be_read_and_followed(background):
    code = HELLO.replace('return "GREETING"', "print('a line of the function'); return 'x'")
    background.apply(code)
    background.ok("rollout", "status", "hello")
    background.ok("invoke", "hello")

    end = time.monotonic() + 20
    while "a line of the function" not in background.ok("logs", "hello"):
        assert time.monotonic() < end


def test_up_is_safe_to_repeat_and_a_second_engine_on_the_data_is_refused(background):
    again = background.shell.run("up", *background.where)
    assert again.returncode == 0
    assert "runs already" in again.stderr

    background.shell.environment["CASEMATE_RUN_DIR"] += "2"
    listen = ("--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0")
    second = background.shell.run("up", *background.where, *listen)
    background.shell.environment["CASEMATE_RUN_DIR"] = f"{background.shell.run_dir}/run"

    assert second.returncode == 5
    assert "already works with" in second.stderr


def test_the_kubeconfig_is_for_its_owner_alone(background):
    path = background.ok("kubeconfig", "--path").strip()

    assert background.shell.run("kubeconfig").stdout.startswith("apiVersion: v1")
    assert Path(path).stat().st_mode & 0o777 == 0o600
