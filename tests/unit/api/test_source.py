"""Git URLs and references that a manifest may name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from casemate.api.source import GitRepositorySource, RepositoryAuth, is_ssh_url

KEY = RepositoryAuth(type="key", secret_name="s")


def source(url="https://git.example/r", reference="main", base_dir="/", auth=None):
    return GitRepositorySource(url=url, reference=reference, base_dir=base_dir, auth=auth)


def refusal(**fields) -> str:
    with pytest.raises(ValidationError) as caught:
        source(**fields)
    return str(caught.value.errors()[0]["ctx"]["text"])


@pytest.mark.parametrize(
    "url",
    ["ssh://-oProxyCommand=id/r", "-oProxyCommand=id:r", "ssh://-l@host/r", "-u@host:r",
     "git@-oProxyCommand=id:r"],
)  # fmt: skip
def test_a_url_that_smuggles_an_option_is_refused(url):
    assert refusal(url=url, auth=KEY) == "is not a Git URL"


@pytest.mark.parametrize(
    "url",
    ["file:///etc", "ext::sh -c id", "/etc", "https://", "https:///r", "https://h:0/r",
     "https://h:99999/r", "https://[::1/r", "https://h/r\n", "https://h/ r", "https://h\N{SNOWMAN}/"],
)  # fmt: skip
def test_a_url_of_another_kind_is_refused(url):
    assert refusal(url=url) == "is not a Git URL"


@pytest.mark.parametrize("url", ["https://user:pw@h/r", "https://token@h/r", "ssh://u:pw@h/r"])
def test_a_url_with_credentials_is_refused(url):
    assert (
        refusal(url=url, auth=KEY)
        == "holds credentials, which everyone who reads the Function would see"
    )


@pytest.mark.parametrize(
    "reference", ["--upload-pack=id", "-x", "a..b", "a b", "a@{1}", "a^", "a\n"]
)
def test_a_reference_that_is_an_option_is_refused(reference):
    assert refusal(reference=reference) == "is not a valid Git reference"


@pytest.mark.parametrize("reference", ["main", "v1.2.3", "feature/x#1", "a" * 40, "release+1"])
def test_branches_tags_and_commits_are_accepted(reference):
    assert source(reference=reference).reference == reference


@pytest.mark.parametrize("base_dir", ["../x", "a/..", "a\\b", "a\x07"])
def test_a_base_dir_stays_inside(base_dir):
    assert refusal(base_dir=base_dir) == "must stay inside the repository"


@pytest.mark.parametrize(
    ("url", "ssh"),
    [
        ("git@h:o/r.git", True),
        ("ssh://git@h/r", True),
        ("https://h/r", False),
        ("git://h/r", False),
    ],
)
def test_ssh_is_recognized(url, ssh):
    assert is_ssh_url(url) is ssh
    assert source(url=url, auth=KEY if ssh else None).url == url
