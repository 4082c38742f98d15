"""The completion script of each shell is well formed, and completes what exists."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASEMATE = Path(sys.executable).with_name("casemate")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_read_by_its_shell(shell):
    script = subprocess.run(
        [CASEMATE, "completion", shell], capture_output=True, text=True, check=True
    ).stdout

    assert "_CASEMATE_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here: the script was written, and not parsed")
    parsed = subprocess.run(
        [shell, "-n"], input=script, capture_output=True, text=True, check=False
    )
    assert (parsed.returncode, parsed.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "casemate eval", "COMP_CWORD": "1"}),
        ("zsh", {"COMP_WORDS": "casemate eval", "COMP_CWORD": "1"}),
        ("fish", {"COMP_WORDS": "casemate eval", "COMP_CWORD": "eval"}),
    ],
)
def test_a_command_is_completed(shell, words):
    environment = {**os.environ, "_CASEMATE_COMPLETE": f"{shell}_complete", **words}

    done = subprocess.run([CASEMATE], capture_output=True, text=True, check=False, env=environment)

    assert "evaluate" in done.stdout
    assert "invoke" not in done.stdout
