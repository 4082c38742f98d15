"""Every fixture Pod of upstream, judged at its own level and version. Origin: data/ORIGIN.md."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from casemate.security.pss.evaluate import evaluate_object
from casemate.security.pss.levels import LATEST, Level, PolicyVersion, parse_level, parse_version

DATA = Path(__file__).parent / "data"
ARCHIVE = DATA / "fixtures.tar.xz"
FIXTURES = 4537
LEVELS = (Level.BASELINE, Level.RESTRICTED)
MINORS = range(LATEST.minor + 1)
# What a stricter rule says in place of the one that a fixture is named after.
REPLACED_BY = {
    "capabilities_baseline": "capabilities_restricted",
    "hostpathvolumes": "restrictedvolumes",
    "procmount": "procmount_restricted",
    "seccompprofile_baseline": "seccompprofile_restricted",
}


class Fixture(NamedTuple):
    path: str
    verdict: str
    pod: object

    @property
    def rule(self) -> str:
        return re.sub(r"\d+\.yaml$", "", Path(self.path).name)


@cache
def fixtures() -> dict[tuple[str, str], list[Fixture]]:
    """Unpack all fixtures by level and version; equal files (most of them) are parsed once."""
    pods: dict[bytes, object] = {}
    found: dict[tuple[str, str], list[Fixture]] = {}
    with tarfile.open(ARCHIVE) as archive:
        for entry in archive:
            if entry.name == "LICENSE":
                continue
            level, version, verdict, _ = entry.name.split("/")
            content = archive.extractfile(entry).read()
            if content not in pods:
                pods[content] = yaml.load(content, yaml.CSafeLoader)  # noqa: TID251  # safe, in C
            found.setdefault((level, version), []).append(
                Fixture(entry.name, verdict, pods[content])
            )
    return found


def test_archive_is_the_one_whose_origin_is_told():
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()

    origin = (DATA / "ORIGIN.md").read_text(encoding="utf-8")

    assert digest in origin
    assert "Apache-2.0" in origin


def test_no_fixture_is_missing_and_none_lies_outside_the_versions_we_know():
    everything = fixtures()

    assert sum(map(len, everything.values())) == FIXTURES
    assert set(everything) == {(level.value, f"v1.{minor}") for level in LEVELS for minor in MINORS}
    assert all({"pass", "fail"} == {one.verdict for one in some} for some in everything.values())


@pytest.mark.parametrize("minor", MINORS, ids="v1.{}".format)
@pytest.mark.parametrize("level", LEVELS)
def test_evaluator_agrees_with_upstream_on_every_fixture(level: Level, minor: int):
    version = PolicyVersion(minor)

    evaluated = [
        (one, evaluate_object(one.pod, level, version)) for one in fixtures()[level, str(version)]
    ]

    wrong = [one.path for one, answer in evaluated if answer.allowed != (one.verdict == "pass")]
    assert wrong == []


@pytest.mark.parametrize("minor", MINORS, ids="v1.{}".format)
@pytest.mark.parametrize("level", LEVELS)
def test_failing_fixture_breaks_the_rule_it_is_named_after(level: Level, minor: int):
    version = PolicyVersion(minor)
    failing = [one for one in fixtures()[level, str(version)] if one.verdict == "fail"]

    broken = {
        one.path: {
            violation.rule.lower()
            for violation in evaluate_object(one.pod, level, version).violations
        }
        for one in failing
    }

    for one in failing:
        assert broken[one.path] & {one.rule, REPLACED_BY.get(one.rule)}, one.path
        assert "malformed" not in broken[one.path]


def test_latest_judges_the_newest_fixtures_as_upstream_does():
    newest = [(level, one) for level in LEVELS for one in fixtures()[level.value, str(LATEST)]]

    answers = Counter(
        (one.verdict, evaluate_object(one.pod, parse_level(level), parse_version("latest")).allowed)
        for level, one in newest
    )

    assert answers == {("pass", True): 38, ("fail", False): 110}


def test_privileged_allows_every_fixture():
    everything = [one for some in fixtures().values() for one in some]

    refused = [
        one.path
        for one in everything
        if not evaluate_object(one.pod, Level.PRIVILEGED, LATEST).allowed
    ]

    assert refused == []
    assert len(everything) == FIXTURES
