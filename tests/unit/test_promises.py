"""A promise without its test or mechanism would be a claim."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_path_that_the_promises_and_the_security_model_name_exists():
    text = (ROOT / "docs/promises.md").read_text() + (ROOT / "docs/security-model.md").read_text()
    paths = re.findall(r"`((?:src|tests)/[^`]+)`", text)

    missing = [path for path in paths if not (ROOT / path).exists()]

    assert len(paths) > 20
    assert missing == []


def test_every_test_that_a_comment_of_the_code_names_exists():
    named = {
        path
        for source in (ROOT / "src").rglob("*")
        if source.suffix in {".py", ".mjs", ".cjs"} and "node_modules" not in source.parts
        for path in re.findall(r"tests/[a-z_/]+\.py", source.read_text())
    }

    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
