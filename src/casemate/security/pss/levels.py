"""The levels and versions of the Pod Security Standards, parsed strictly.

A policy version is the Kubernetes minor version whose rules apply. An unknown level or version is
refused and never mapped to a near one: a typo in a policy must not weaken it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from casemate.errors import InvalidInput


class Level(StrEnum):
    """How much a Pod may ask for; each level contains the rules of the one before."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True, order=True)
class PolicyVersion:
    """The rules as of Kubernetes v1.`minor`."""

    minor: int

    def __str__(self) -> str:
        """Render as a namespace label carries it."""
        return f"v1.{self.minor}"


OLDEST = PolicyVersion(0)
# The newest minor version whose rules and fixture Pods this evaluator has been held against.
LATEST = PolicyVersion(37)

# ASCII digits, no leading zero: `v1.07` or a digit of another script is a typo, not a version.
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,3})")


class UnknownPolicy(InvalidInput):
    """No such level or version of the Pod Security Standards."""

    code = "UnknownPolicy"


def parse_level(text: str) -> Level:
    """Return the level of this name; raises UnknownPolicy."""
    try:
        return Level(text)
    except ValueError:
        allowed = ", ".join(Level)
        raise UnknownPolicy(
            f"unknown Pod Security level {text[:40]!a}", hint=f"one of {allowed}"
        ) from None


def parse_version(text: str) -> PolicyVersion:
    """Return the version of this name, `latest` or `v1.N`; raises UnknownPolicy."""
    if text == "latest":
        return LATEST
    match = _VERSION.fullmatch(text)
    if match is not None:
        version = PolicyVersion(int(match.group(1)))
        if version <= LATEST:
            return version
    raise UnknownPolicy(
        f"unknown Pod Security version {text[:40]!a}",
        hint=f'"latest", or {OLDEST} up to {LATEST}',
    )
