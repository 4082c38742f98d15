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
