"""Reads a descriptor that its parent forgot to close."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.attacks import LANGUAGES, Arena

PYTHON = """\
def main(event, context):
    def look():
        for name in os.listdir("/proc/self/fd"):
            try:
                if "forgotten-secret" in os.readlink(f"/proc/self/fd/{name}"):
                    return f"descriptor {name}"
            except OSError:
                continue
        return ""
    return attempt(look)
"""

NODE = """\
module.exports = {
  main: (event) =>
    attempt(() => {
      for (const name of fs.readdirSync("/proc/self/fd")) {
        try {
          if (fs.readlinkSync("/proc/self/fd/" + name).includes("forgotten-secret")) return name;
        } catch {
          continue;
        }
      }
      return "";
    }),
};
"""


@pytest.fixture
def forgotten(tmp_path):
    (tmp_path / "forgotten-secret").write_text("x")
    descriptor = os.open(tmp_path / "forgotten-secret", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_descriptor_of_the_engine_is_inherited(
    arena: Arena, language: str, forgotten: int
) -> None:
    look = f"import os; print(os.readlink('/proc/self/fd/{forgotten}'))"
    careless = subprocess.run(
        [sys.executable, "-c", look], close_fds=False, capture_output=True, text=True, check=True
    )
    assert "forgotten-secret" in careless.stdout

    inside = arena.inside(language, {"python": PYTHON, "node": NODE}[language])

    assert not inside.succeeded, inside.evidence
