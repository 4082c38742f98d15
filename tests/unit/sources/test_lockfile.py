"""Dependency files: what may be asked for, and that everything else is named with its line."""

from __future__ import annotations

import json

import pytest

from casemate.api.catalogue import Language
from casemate.sources.lockfile import DependenciesRefused, parse_dependencies

HASH_A, HASH_B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def python(text: str):
    return parse_dependencies(text, Language.PYTHON)


def npm(dependencies: dict, **fields):
    return parse_dependencies(json.dumps({"dependencies": dependencies, **fields}), Language.NODEJS)


@pytest.mark.parametrize("text", [None, "", "  \n", "# only a comment\n"])
def test_asking_for_nothing_is_nothing(text):
    assert python(text) is None


def test_equal_wishes_give_equal_text_whatever_their_order_and_spelling():
    assert python("B_b==2\na>=1\n").text == python("a>=1\n# c\nb-b == 2\n").text


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple",
        "--extra-index-url=https://evil.example/simple",
        "-e git+ssh://evil.example/x",
        "-r /etc/passwd",
        "--no-binary :all:",
        "./local",
        "/absolute/wheel.whl",
        "~/wheel.whl",
        "git+https://evil.example/x",
        "https://evil.example/x.whl",
        "file:///etc/passwd",
        "x @ https://evil.example/x.whl",
        "x === 1",
        "not a requirement!",
    ],
)
def test_a_line_that_leaves_the_registry_is_refused_with_its_number(line):
    with pytest.raises(DependenciesRefused) as refused:
        python(f"good==1\n{line}\n")

    assert [violation.line for violation in refused.value.violations] == [2]


def test_every_bad_line_is_told_at_once():
    with pytest.raises(DependenciesRefused) as refused:
        python("-e .\nok==1\n--pre\n")

    assert [violation.line for violation in refused.value.violations] == [1, 3]


def test_hashes_that_the_user_wrote_are_kept_by_normal_name():
    found = python(f"A_b==1 --hash={HASH_A} \\\n  --hash={HASH_B}\n")

    assert found.hashes == {"a-b": frozenset({HASH_A, HASH_B})}


def test_a_package_on_two_lines_keeps_the_hashes_of_both():
    found = python(
        f"x==1; python_version<'3.13' --hash={HASH_A}\n"
        f"x==2; python_version>='3.13' --hash={HASH_B}\n"
    )

    assert found.hashes == {"x": frozenset({HASH_A, HASH_B})}


@pytest.mark.parametrize(
    "wish",
    [
        "git+ssh://evil.example/x", "file:../..", "user/repo", "github:user/repo", "npm:other@1",
        "https://evil.example/x.tgz", "link:../x", "workspace:*", 5, None, {},
    ],
)  # fmt: skip
def test_an_npm_wish_that_is_no_version_range_is_refused(wish):
    with pytest.raises(DependenciesRefused):
        npm({"x": wish})


@pytest.mark.parametrize("name", ["../x", "UPPER", "a b", "@x", "x" * 215, ""])
def test_what_is_no_package_name_is_refused(name):
    with pytest.raises(DependenciesRefused):
        npm({name: "1"})


def test_ranges_are_accepted_and_scripts_are_not_carried_along():
    found = npm({"b": "^1.2.3", "a": ">=1 <2"}, scripts={"install": "curl evil"})

    assert json.loads(found.text) == {"a": ">=1 <2", "b": "^1.2.3"}


@pytest.mark.parametrize("text", ["{", "[]", '{"dependencies": 5}', '{"a": 1, "a": 2}'])
def test_what_is_no_package_json_is_refused(text):
    with pytest.raises(DependenciesRefused):
        parse_dependencies(text, Language.NODEJS)
