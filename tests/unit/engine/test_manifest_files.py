"""From paths to objects."""

from __future__ import annotations

import pytest

from casemate.api.manifest import InvalidManifest
from casemate.engine.manifest_files import MAX_FILE_BYTES, UnreadablePath, load_manifests

GOOD = """\
apiVersion: serverless.kyma-project.io/v1alpha2
kind: Function
metadata: {name: NAME}
spec:
  runtime: python313
  source: {inline: {source: "def main(event, context): return 1"}}
"""


def test_a_folder_with_a_handler_alone_is_one_function_named_after_it(tmp_path):
    folder = tmp_path / "Hello_World"
    folder.mkdir()
    (folder / "handler.py").write_text("def main(event, context): return 1")

    loaded = load_manifests([folder])

    assert loaded.objects[0].metadata.name == "hello-world"
    assert loaded.objects[0].spec.runtime == "python313"


def test_a_manifest_without_source_takes_code_and_dependencies_from_beside_it(tmp_path):
    (tmp_path / "handler.js").write_text("module.exports = { main: () => 1 }")
    (tmp_path / "package.json").write_text('{"dependencies": {"dayjs": "1"}}')
    (tmp_path / "function.yaml").write_text(
        "apiVersion: serverless.kyma-project.io/v1alpha2\nkind: Function\n"
        "metadata: {name: beside}\nspec: {runtime: nodejs24}\n"
    )

    loaded = load_manifests([tmp_path])

    assert "dayjs" in loaded.objects[0].spec.source.inline.dependencies
    assert {path.name for path in loaded.files} == {"handler.js", "package.json", "function.yaml"}


def test_folders_are_read_to_their_depth_without_hidden_ones_and_links(tmp_path):
    for name in ("a/one.yaml", "a/b/two.yml", ".hidden/three.yaml", "node_modules/four.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        stem = name.rpartition("/")[2].partition(".")[0]
        (tmp_path / name).write_text(GOOD.replace("NAME", stem))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    loaded = load_manifests([tmp_path])

    assert {found.metadata.name for found in loaded.objects} == {"one", "two"}


def test_violations_of_all_files_come_back_together_and_nothing_is_returned(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD.replace("NAME", "good"))
    (tmp_path / "bad1.yaml").write_text(GOOD.replace("NAME", "Bad"))
    (tmp_path / "bad2.yaml").write_text(GOOD.replace("NAME", "x").replace("python313", "cobol"))

    with pytest.raises(InvalidManifest) as raised:
        load_manifests([tmp_path])

    origins = {violation.origin.rpartition("/")[2] for violation in raised.value.violations}
    assert origins == {"bad1.yaml", "bad2.yaml"}


def test_one_name_in_two_files_is_a_violation(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD.replace("NAME", "same"))
    (tmp_path / "b.yaml").write_text(GOOD.replace("NAME", "same"))

    with pytest.raises(InvalidManifest, match="defined twice"):
        load_manifests([tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe binary", "not UTF-8"),
        (b"x" * (MAX_FILE_BYTES + 1), "larger than"),
    ],
    ids=["binary", "huge"],
)
def test_a_handler_that_is_no_source_text_is_refused(tmp_path, content, message):
    (tmp_path / "handler.py").write_bytes(content)

    with pytest.raises(UnreadablePath, match=message):
        load_manifests([tmp_path])


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UnreadablePath, match="does not exist"):
        load_manifests([tmp_path / "nowhere"])
    with pytest.raises(UnreadablePath, match="no manifest and no handler"):
        load_manifests([tmp_path])
