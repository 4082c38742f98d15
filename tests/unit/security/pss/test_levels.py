import pytest

from casemate.security.pss.levels import (
    LATEST,
    Level,
    PolicyVersion,
    UnknownPolicy,
    parse_level,
    parse_version,
)


@pytest.mark.parametrize("level", Level)
def test_level_is_found_by_its_name(level):
    assert parse_level(level.value) is level


@pytest.mark.parametrize("text", ["", "Restricted", "restricted ", "strict", "none\x1b[2J"])
def test_unknown_level_is_refused_with_those_there_are(text):
    with pytest.raises(UnknownPolicy) as refused:
        parse_level(text)

    assert refused.value.hint == "one of privileged, baseline, restricted"
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("minor", range(LATEST.minor + 1))
def test_every_version_up_to_the_newest_is_known(minor):
    version = parse_version(f"v1.{minor}")

    assert version == PolicyVersion(minor)
    assert str(version) == f"v1.{minor}"


def test_latest_is_the_newest_version():
    assert parse_version("latest") is LATEST
    assert PolicyVersion(36) < LATEST


@pytest.mark.parametrize(
    "text",
    ["", "1.30", "v1", "v1.", "v1.38", "v1.99999999", "v1.07", "v2.0", "v1.3\n", "v1.٣", "Latest"],
)
def test_unknown_version_is_refused_with_the_range_there_is(text):
    with pytest.raises(UnknownPolicy) as refused:
        parse_version(text)

    assert refused.value.hint == '"latest", or v1.0 up to v1.37'
    assert refused.value.message.startswith("unknown Pod Security version '")
