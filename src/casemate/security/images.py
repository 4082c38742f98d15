"""Image references and the rules about which images may run.

A reference is parsed by the strict grammar of the distribution project and compared in normal form,
so that `python` and `docker.io/library/python:latest` are the same repository to a rule. Whether a
signature holds or a digest exists is not known here: nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from casemate.errors import InvalidInput
from casemate.security.verdict import ALLOWED, Verdict, denied

DEFAULT_DOMAIN = "docker.io"
DEFAULT_NAMESPACE = "library"
MAX_NAME = 255
BELOW = "/*"

_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_HOST}(?:\.{_HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?")
_SEGMENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# The two algorithms that registries serve; a shorter or unknown digest would pin nothing.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_BARE_ID = re.compile(r"[0-9a-f]{64}")


class InvalidImageReference(InvalidInput):
    """This text names no image, or this rule no repository."""

    code = "InvalidImageReference"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image in normal form: domain and path are never abbreviated."""

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str:
        """Return domain and path."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        """Render the whole reference."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


@dataclass(frozen=True, slots=True)
class RepositoryRule:
    """One repository, or everything below a path."""

    repository: str
    below: bool = False

    def matches(self, reference: ImageReference) -> bool:
        """Compare whole path segments."""
        # ATTACK: `reg.example/team-evil` begins with `reg.example/team` and is not below it.
        # tests/unit/security/test_images.py
        if self.below:
            return reference.repository.startswith(f"{self.repository}/")
        return reference.repository == self.repository


def parse_image_reference(text: str) -> ImageReference:
    """Parse `[domain/]path[:tag][@digest]`; raises InvalidImageReference."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "a digest is sha256: and 64, or sha512: and 128 lower-case hex digits")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        # That colon was the port of a registry.
        name, colon, tag = rest, "", ""
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, "a tag is up to 128 letters, digits, `_`, `.` and `-`")
    if _BARE_ID.fullmatch(rest):
        raise _invalid(text, "an image id names no repository")
    domain, path = _split_name(text, name)
    return ImageReference(domain, path, tag or None, digest or None)


def parse_repository_rule(text: str) -> RepositoryRule:
    """Parse `reg.example/team/image`, exactly it, or `reg.example/team/*`, all that is below."""
    below = text.endswith(BELOW)
    name = text.removesuffix(BELOW)
    if below and _looks_like_domain(name) and _DOMAIN.fullmatch(name):
        return RepositoryRule(_normal_domain(name), below=True)
    if below and "/" not in name:
        # Not `library/`: a namespace of the default registry is meant.
        name = f"{DEFAULT_DOMAIN}/{name}"
        segment = name.rpartition("/")[2]
        if not _SEGMENT.fullmatch(segment):
            raise _invalid(text, "a path segment is lower-case letters and digits")
        return RepositoryRule(name, below=True)
    domain, path = _split_name(text, name)
    return RepositoryRule(f"{domain}/{path}", below=below)


def judge_image(
    text: str, allowed_repositories: Iterable[str], *, allow_unpinned: bool = False
) -> Verdict:
    """Judge a reference from a manifest by the repositories of a policy; none allows nothing.

    A reference that cannot be parsed is denied. Raises InvalidImageReference for a bad rule.
    """
    rules = [parse_repository_rule(rule) for rule in allowed_repositories]
    try:
        reference = parse_image_reference(text)
    except InvalidImageReference as error:
        return denied("image reference not valid", str(error))
    if not any(rule.matches(reference) for rule in rules):
        return denied(
            "image repository not allowed",
            f"{reference.repository} is not among the allowed repositories",
        )
    if reference.digest is None and not allow_unpinned:
        return denied(
            "image not pinned",
            f"image {reference} has no digest: pin it, or set images.allowUnpinned in the policy",
        )
    return ALLOWED


def _split_name(text: str, name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and _looks_like_domain(first):
        domain, path = _normal_domain(first), rest
    else:
        domain, path = DEFAULT_DOMAIN, name
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"{DEFAULT_NAMESPACE}/{path}"
    if not _DOMAIN.fullmatch(domain):
        raise _invalid(text, "the registry is no host name")
    if not all(_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        raise _invalid(text, "a path segment is lower-case letters and digits, joined by . _ or -")
    if len(domain) + 1 + len(path) > MAX_NAME:
        raise _invalid(text, f"a repository has at most {MAX_NAME} characters")
    return domain, path


def _looks_like_domain(segment: str) -> bool:
    has_mark = any(mark in segment for mark in ".:")
    return has_mark or segment == "localhost" or segment != segment.lower()


def _normal_domain(domain: str) -> str:
    # Host names know no case; the registry's second name is the same registry.
    lowered = domain.lower()
    return DEFAULT_DOMAIN if lowered == f"index.{DEFAULT_DOMAIN}" else lowered


def _invalid(text: str, hint: str) -> InvalidImageReference:
    return InvalidImageReference(f"{text[:MAX_NAME]!a} is no image reference", hint=hint)
