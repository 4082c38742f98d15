"""Locks are checked whoever wrote them: every entry is a hashed package of the registry."""

from __future__ import annotations

import json

import pytest

from casemate.api.catalogue import Language
from casemate.node.dependency_errors import DependencyError
from casemate.node.resolve import bind_hashes, read_lock
from casemate.node.runtime_errors import safe_reason
from casemate.sources.lockfile import parse_dependencies

HASH_A, HASH_B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LOCK = f"six==1.17.0 \\\n    --hash={HASH_A} \\\n    --hash={HASH_B}\n"
GOOD = {"version": "1.0.0", "integrity": "sha512-abc=="}


def npm_lock(**packages):
    return json.dumps({"packages": {"": {}, **packages}})


def test_a_hashed_lock_names_its_packages():
    found = read_lock(LOCK, Language.PYTHON)

    assert [(one.name, one.version) for one in found.packages] == [("six", "1.17.0")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "six==1.17.0\n",
        f"six>=1 --hash={HASH_A}\n",
        f"six @ https://evil.example/six.whl --hash={HASH_A}\n",
        f"six==1.17.0 --hash={HASH_A}\nother==2\n",
        f"-e git+https://evil.example/x\nsix==1 --hash={HASH_A}\n",
    ],
)
def test_a_lock_without_hashes_is_refused(text):
    with pytest.raises(DependencyError):
        read_lock(text, Language.PYTHON)


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("node_modules/x", {"version": "1.0.0"}),
        ("node_modules/x", {**GOOD, "integrity": "sha1-abc="}),
        ("node_modules/x", {**GOOD, "link": True}),
        ("node_modules/x", {**GOOD, "resolved": "git+ssh://evil.example/x"}),
        ("node_modules/../../x", GOOD),
        ("packages/x", GOOD),
    ],
)
def test_a_package_lock_with_a_foreign_entry_is_refused(path, entry):
    with pytest.raises(DependencyError):
        read_lock(npm_lock(**{path: entry}), Language.NODEJS)


def test_a_package_lock_tells_whose_install_scripts_will_not_run():
    text = npm_lock(**{"node_modules/x": {**GOOD, "hasInstallScript": True}})

    assert read_lock(text, Language.NODEJS).notes == ("install scripts not run: x",)


@pytest.mark.parametrize("text", ["{", "[]", '{"packages": 5}', '{"packages": {"": {}}}'])
def test_what_is_no_package_lock_is_refused(text):
    with pytest.raises(DependencyError):
        read_lock(text, Language.NODEJS)


def test_only_the_hashes_that_the_user_allowed_stay():
    wishes = parse_dependencies(f"six==1.17.0 --hash={HASH_B}\n", Language.PYTHON)

    bound = bind_hashes(LOCK, wishes)

    assert HASH_B in bound
    assert HASH_A not in bound


def test_a_hash_the_registry_lacks_is_refused():
    other = "sha256:" + "c" * 64
    wishes = parse_dependencies(f"six==1.17.0 --hash={other}\n", Language.PYTHON)

    with pytest.raises(DependencyError, match="no file with the hash"):
        bind_hashes(LOCK, wishes)


def test_a_password_in_an_index_url_is_not_repeated():
    text = "error: failed to fetch https://user:hunter2@reg.example/simple/x\n\x1b[31mno such\n"

    shown = safe_reason(text)

    assert "hunter2" not in shown
    assert "\x1b" not in shown
    assert "no such" in shown
