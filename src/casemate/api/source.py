"""Where a Function's code comes from: inline in the manifest, or a Git repository.

The text is the user's: it is kept out of `repr` and out of every message. That a repository may be
reached, and by which route, is decided when it is fetched; here only its spelling is checked.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from casemate.api.cel import exactly_one_of
from casemate.api.names import Subdomain
from casemate.api.violations import broken
from casemate.api.workload import WireModel

_SCP_URL = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!//)[\w.~/-]+", re.ASCII)
_URL_SCHEMES = ("http", "https", "git", "ssh")
_REFERENCE = re.compile(r"[A-Za-z0-9_][\w./+@#-]{0,254}", re.ASCII)
_URL_WORDS = "http(s)://host/path, git://host/path, ssh://user@host/path or user@host:path"


def is_ssh_url(url: str) -> bool:
    """Tell whether Git would use SSH for `url`."""
    return url.startswith("ssh://") or _SCP_URL.fullmatch(url) is not None


def _check_url(url: str) -> str:
    if _SCP_URL.fullmatch(url):
        return url
    invalid = broken("is not a Git URL", allowed=_URL_WORDS)
    if not url.isprintable() or " " in url or not url.isascii():
        raise invalid
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise invalid from None
    if parts.scheme not in _URL_SCHEMES or not parts.hostname or not port_is_valid:
        raise invalid
    # ATTACK: `-oProxyCommand=...` in place of a host runs a command on the fetching side.
    # tests/unit/api/test_source.py::test_a_url_that_smuggles_an_option_is_refused
    if parts.hostname.startswith("-") or (parts.username or "").startswith("-"):
        raise invalid
    if parts.password is not None or (parts.username and parts.scheme.startswith("http")):
        raise broken(
            "holds credentials, which everyone who reads the Function would see",
            allowed="a URL without user and password",
            hint="put them into a Secret and name it in auth.secretName",
        )
    return url


def _check_base_dir(path: str) -> str:
    if not path.strip():
        raise broken("is required and cannot be empty", hint='"/" is the repository itself')
    if ".." in path.split("/") or not path.isprintable() or "\\" in path:
        raise broken("must stay inside the repository", allowed="a relative path without '..'")
    return path


def _check_reference(reference: str) -> str:
    if not reference.strip():
        raise broken("is required and cannot be empty", allowed="a branch, tag or commit")
    # ATTACK: a reference that begins with '-' would be an option of git.
    # tests/unit/api/test_source.py::test_a_reference_that_is_an_option_is_refused
    if not _REFERENCE.fullmatch(reference) or ".." in reference or "@{" in reference:
        raise broken("is not a valid Git reference", allowed="a branch, tag or commit")
    return reference


class RepositoryAuth(WireModel):
    """How to log in to the repository; the Secret is in the Function's namespace."""

    type: Literal["basic", "key"]
    secret_name: Subdomain


class GitRepositorySource(WireModel):
    """source.gitRepository."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(min_length=1, max_length=2048)
    auth: RepositoryAuth | None = None
    base_dir: Annotated[str, AfterValidator(_check_base_dir)]
    reference: Annotated[str, AfterValidator(_check_reference)]

    @model_validator(mode="after")
    def _auth_fits_url(self) -> Self:
        kind = self.auth.type if self.auth else None
        if is_ssh_url(self.url) and kind != "key":
            raise broken("an SSH URL needs auth of type key", hint="add auth.type and secretName")
        if not is_ssh_url(self.url) and kind == "key":
            raise broken("auth of type key needs an SSH URL", allowed="auth.type basic, or no auth")
        return self


class InlineSource(WireModel):
    """source.inline."""

    source: str = Field(min_length=1, repr=False)
    dependencies: str | None = Field(default=None, repr=False)


class Source(WireModel):
    """spec.source: exactly one kind."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("gitRepository", "inline"))

    inline: InlineSource | None = None
    git_repository: GitRepositorySource | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.inline is None) == (self.git_repository is None):
            raise broken("must set exactly one kind of source", allowed="inline | gitRepository")
        return self
