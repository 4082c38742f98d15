"""Image references by the distribution's grammar, and repository rules by whole segments."""

from __future__ import annotations

import pytest

from casemate.security.images import (
    InvalidImageReference,
    judge_image,
    parse_image_reference,
    parse_repository_rule,
)

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("python", "docker.io/library/python"),
        ("team/python:3.13", "docker.io/team/python:3.13"),
        ("reg.example/a/b:1", "reg.example/a/b:1"),
        ("reg.example:5000/a", "reg.example:5000/a"),
        ("localhost/a", "localhost/a"),
        (f"reg.example/a@{DIGEST}", f"reg.example/a@{DIGEST}"),
        (f"reg.example/a:1@{DIGEST}", f"reg.example/a:1@{DIGEST}"),
    ],
)
def test_a_reference_has_one_normal_form(text, normal):
    assert str(parse_image_reference(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        "", "Python", "reg.example/UPPER", "reg.example/a b", "reg.example//a", "a@sha256:12",
        "a@md5:" + "a" * 32, "a:" + "t" * 129, "a:-tag", "b" * 64, "reg.example/../a",
        "-option", "a\n", "reg.example/" + "a" * 300,
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InvalidImageReference):
        parse_image_reference(text)
    assert not judge_image(text, ["docker.io/library/python"]).allowed


def test_no_rule_allows_nothing():
    assert not judge_image(f"python@{DIGEST}", []).allowed


def test_an_exact_rule_allows_that_repository_alone():
    rules = ["reg.example/team/python"]

    assert judge_image(f"reg.example/team/python@{DIGEST}", rules).allowed
    assert not judge_image(f"reg.example/team/python-evil@{DIGEST}", rules).allowed
    assert not judge_image(f"reg.example/team/python/x@{DIGEST}", rules).allowed


def test_a_path_rule_compares_whole_segments():
    rules = ["reg.example/team/*"]

    assert judge_image(f"reg.example/team/a/b@{DIGEST}", rules).allowed
    assert not judge_image(f"reg.example/team-evil/a@{DIGEST}", rules).allowed
    assert not judge_image(f"reg.example/team@{DIGEST}", rules).allowed


def test_a_rule_for_one_registry_does_not_match_a_longer_name():
    assert not judge_image(f"reg.example.evil/a@{DIGEST}", ["reg.example/*"]).allowed


def test_a_namespace_of_the_default_registry_is_meant_by_a_bare_name():
    assert judge_image(f"team/python@{DIGEST}", ["team/*"]).allowed


def test_a_tag_alone_is_not_pinned_unless_the_policy_says_so():
    verdict = judge_image("python:3.13", ["python"])

    assert not verdict.allowed
    assert "has no digest" in verdict.detail
    assert judge_image("python:3.13", ["python"], allow_unpinned=True).allowed


@pytest.mark.parametrize("rule", ["a b", "reg.example/*/x", "/*"])
def test_a_rule_that_names_nothing_is_refused(rule):
    with pytest.raises(InvalidImageReference):
        parse_repository_rule(rule)
