"""A manifest in, every rendered object out, compared with the text that was reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from casemate.api.catalogue import Language
from casemate.api.manifest import parse_manifests
from casemate.render.function import render_objects
from casemate.render.yaml_text import render_yaml
from support.functions import DIGEST, OTHER_DIGEST, a_policy

CASES = Path(__file__).parent / "render"
FILES = {"manifest.yaml", "expected.yaml"}
RELAXED = {"relaxed": {"allowed_relaxations": frozenset({"podSecurityContext.seccompProfile"})}}


def rendered(case: str) -> str:
    manifest = CASES / case / "manifest.yaml"
    (function,) = parse_manifests(manifest.read_bytes(), manifest.name).objects_or_raise()
    node = function.runtime.language is Language.NODEJS
    policy = a_policy(
        source_files=("handler.js", "lib/a.js") if node else ("handler.py",),
        layer_digest=OTHER_DIGEST if node else None,
        tracing_endpoint="http://traces.example:4318/v1/traces",
        **RELAXED.get(case, {}),
    )
    assert policy.source_digest == DIGEST
    return render_yaml(render_objects(function, policy))


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_manifest_renders_to_the_reviewed_objects(case, request):
    expected = CASES / case / "expected.yaml"
    text = rendered(case)
    if request.config.getoption("--update-golden"):
        expected.write_text(text)

    assert text == expected.read_text()


def test_no_file_is_left_over():
    for case in CASES.iterdir():
        assert {path.name for path in case.iterdir()} == FILES
