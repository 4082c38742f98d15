"""Packages behind a password: Kyma's Secret opens the registry, and is seen nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine_session import EngineSession, a_function
from support.package_registry import PACKAGE, PackageRegistry

PYTHON = """
import os, casemate_test_private

def main(event, context):
    return {"text": casemate_test_private.TEXT, "environment": dict(os.environ)}
"""
NODE = f"""
const text = require("{PACKAGE}");
module.exports = {{ main: () => ({{ text, environment: process.env }}) }};
"""
LANGUAGES = {
    "python": ("python313", PYTHON, f"{PACKAGE}==1.0.0"),
    "node": ("nodejs24", NODE, json.dumps({"dependencies": {PACKAGE: "1.0.0"}})),
}


def wanting(name: str, language: str, namespace: str = "default") -> dict:
    """A Function that imports the private package."""
    runtime, source, dependencies = LANGUAGES[language]
    made = a_function(name, runtime, source)
    made["spec"]["source"]["inline"]["dependencies"] = dependencies
    made["metadata"]["namespace"] = namespace
    return made


@pytest.fixture
def registry(monkeypatch) -> Iterator[PackageRegistry]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # A text of its own for each run: nothing that was built before can be what is found.
    with PackageRegistry(uuid.uuid4().hex) as made:
        yield made


@pytest.fixture
def engine(tmp_path) -> Iterator[EngineSession]:
    with EngineSession(tmp_path, []) as session:
        yield session


class Watch:
    """Reads every process's arguments and environment while the test runs; its own excepted."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = [word.encode() for word in words]
        self.seen: list[str] = []
        self.saw_tool = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._end.wait(0.005):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self._look(pid, name)

    def _look(self, pid: str, name: str) -> None:
        content = Path(f"/proc/{pid}/{name}").read_bytes()
        # The tool itself was looked at, or what was not seen would prove nothing.
        self.saw_tool |= b"/opt/uv/uv" in content or b"npm-cli.js" in content
        if any(word in content for word in self.words):
            self.seen.append(f"{pid} {name}: {content[:200]!r}")


def files_with(folder: Path, words: tuple[str, ...]) -> list[str]:
    """Return every file below a folder that holds one of the words, in its name or its bytes."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            content = path.read_bytes() if path.is_file() else b""
            if any(word.encode() in content or word in str(path) for word in words):
                found.append(str(path))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_secret_of_the_namespace_makes_the_same_function_run(
    engine, registry, language, tmp_path, capfd
):
    words = (registry.password, registry.basic)
    engine.apply(wanting("private", language))
    before = engine.wait_condition("private", "ConfigurationReady", "False")

    with Watch(words) as watch:
        engine.apply(registry.secret())
        engine.wait_ready("private")
    status, body = engine.call("private")

    assert before["reason"] == "DependencyError"
    assert PACKAGE in before["message"]
    answer = json.loads(body)
    assert (status, answer["text"]) == (200, registry.text)
    assert not any(word in str(answer["environment"]) for word in words)
    assert watch.saw_tool
    assert watch.seen == []
    assert not any(word in json.dumps(engine.describe("private")) for word in words)
    assert files_with(tmp_path, words) == []
    assert not any(word in text for word in words for text in capfd.readouterr())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_password_is_the_registrys_reason_and_is_not_shown(engine, registry, language):
    engine.apply(registry.secret("wrong-secret-77"))
    engine.apply(wanting("refused", language))

    found = engine.wait_condition("refused", "ConfigurationReady", "False")

    assert found["reason"] == "DependencyError"
    assert "the package registry refused" in found["message"]
    assert "serverless-package-registry-config" in found["message"]
    assert "wrong-secret-77" not in json.dumps(engine.describe("refused"))
    assert registry.refused != []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_namespace_with_another_password_gets_nothing_that_this_one_fetched(
    engine, registry, language
):
    # ATTACK: the same index with a wrong password, after somebody else was let in.
    engine.apply(registry.secret())
    engine.apply(wanting("first", language))
    engine.wait_ready("first")
    intruder = wanting("second", language, "other")
    secret = registry.secret("guessed", "other")
    engine._manifests |= {"second": intruder, "other-secret": secret}
    engine._apply()

    found = engine.wait_condition("second", "ConfigurationReady", "False", namespace="other")

    assert "the package registry refused" in found["message"]


def test_a_secret_in_a_manifest_file_is_enough(shell, registry):
    manifest = shell.folder / "function.yaml"
    function = wanting("private", "python")
    manifest.write_text(json.dumps(function))
    shell.environment["NO_PROXY"] = "127.0.0.1"
    shell.engine("function.yaml")
    talk = shell.wait_talk("failed   default/private")

    manifest.write_text(f"{json.dumps(function)}\n---\n{json.dumps(registry.secret())}\n")
    shell.wait_talk("ready    default/private")
    done = shell.run("invoke", "private")

    assert PACKAGE in talk
    assert json.loads(done.stdout)["text"] == registry.text
    assert registry.password not in shell.talk() + done.stdout + done.stderr
    assert files_with(Path(shell.run_dir), (registry.password, registry.basic)) == []


def test_a_secret_that_cannot_be_read_is_told_without_quoting_it(engine, registry):
    secret = registry.secret()
    secret["stringData"]["pip.conf"] = f"index-url = http://u:{registry.password}@x/"
    engine.apply(secret)
    engine.apply(wanting("unread", "python"))

    found = engine.wait_condition("unread", "ConfigurationReady", "False")

    assert found["reason"] == "InvalidRegistryConfig"
    assert found["message"] == "pip.conf cannot be read"
