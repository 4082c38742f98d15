"""The interpreter's flags are those that the runtime's own data recommends."""

from __future__ import annotations

import json
from pathlib import Path

import casemate
from casemate.render.pod_template import NODE_FLAGS, NODE_HEAP_PERCENT, NODE_LEAST_HEAP_MIB

FLAGS = Path(casemate.__file__).parent / "runtimes/nodejs/flags.json"


def test_the_renderer_and_the_runtimes_data_agree():
    data = json.loads(FLAGS.read_text())

    assert {tuple(row["argv"]) for row in data["runtimes"].values()} == {NODE_FLAGS}
    assert data["heap"]["percentOfMemoryLimit"] == NODE_HEAP_PERCENT
    assert data["heap"]["minimum"] == NODE_LEAST_HEAP_MIB


def test_user_code_cannot_open_the_debugger_by_a_signal():
    assert "--disable-sigusr1" in NODE_FLAGS
