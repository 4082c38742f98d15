"""Runs the installed command as a user does, in directories of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

CASEMATE = str(Path(sys.executable).with_name("casemate"))
EXAMPLES = Path(__file__).parents[2] / "examples"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(240))


class Shell:
    """A user's shell: an environment, commands, and background engines that are ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casemate"
        # A unix socket's path must be short; pytest's own folders are not.
        self.run_dir = tempfile.mkdtemp(prefix="casemate-e2e-")
        self.environment = {
            **os.environ,
            "CASEMATE_STATE_DIR": str(cache / "test-state"),
            "CASEMATE_CACHE_DIR": str(cache / "test-packages"),
            "CASEMATE_RUN_DIR": f"{self.run_dir}/run",
        }
        self._engines: list[subprocess.Popen[str]] = []

    def run(self, *words: str, stdin: str = "", seconds: float = 60):
        """Run `casemate WORDS` to its end."""
        return subprocess.run(
            [CASEMATE, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=seconds,
            check=False,
        )

    def engine(self, *words: str) -> subprocess.Popen[str]:
        """Start `casemate run WORDS` in the background; its talk goes to `talk`."""
        self.talk_path = self.folder / "talk"
        with self.talk_path.open("w") as talk:
            started = subprocess.Popen(
                [CASEMATE, "run", "--port", "0", *words],
                stderr=talk,
                stdout=subprocess.PIPE,
                text=True,
                env=self.environment,
                cwd=self.folder,
            )
        self._engines.append(started)
        return started

    def talk(self) -> str:
        return self.talk_path.read_text()

    def wait_talk(self, text: str, seconds: float = 90, after: tuple[str, ...] = ("",)) -> str:
        """Wait until the engine has said `text`, behind one of the words `after`."""
        deadline = time.monotonic() + seconds
        wanted = re.compile("|".join(rf"{word}\s*{re.escape(text)}" for word in after))
        while not wanted.search(self.talk()):
            assert time.monotonic() < deadline, f"{text!r} was not said:\n{self.talk()}"
            time.sleep(0.01)
        return self.talk()

    def get(self, url: str, token: str | None = None) -> tuple[int, bytes]:
        """Call a URL as curl would."""
        host, _, rest = url.removeprefix("http://").partition("/")
        connection = HTTPConnection(host, timeout=20)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", f"/{rest}", headers=headers)
        reply = connection.getresponse()
        try:
            return reply.status, reply.read()
        finally:
            connection.close()

    def close(self) -> None:
        for started in self._engines:
            if started.poll() is None:
                started.terminate()
                started.wait(30)
            started.stdout.close()
        shutil.rmtree(self.run_dir, ignore_errors=True)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()
