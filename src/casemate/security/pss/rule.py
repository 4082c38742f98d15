"""What a rule is: an id, the level it belongs to, and its check per policy version.

A rule is never edited in place when a policy version changes it: the new check is added beside the
old one, so that a cluster pinned to an old version keeps the answer it had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from casemate.security.pss.levels import Level, PolicyVersion
from casemate.security.pss.pod_view import PodView
from casemate.security.verdict import Violation


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a Pod breaks a rule; the rule's id is added by whoever asked."""

    reason: str
    detail: str


Check = Callable[[PodView], Broken | None]


@dataclass(frozen=True, slots=True)
class Revision:
    """The check as of a minor version, and the baseline rules that a stricter one replaces."""

    since_minor: int
    check: Check
    replaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the standards; revisions in ascending order of version."""

    id: str
    level: Level
    revisions: tuple[Revision, ...]

    def revision(self, version: PolicyVersion) -> Revision | None:
        """Return the newest revision that this version has; None when the rule is younger."""
        current = None
        for revision in self.revisions:
            if revision.since_minor <= version.minor:
                current = revision
        return current


@dataclass(frozen=True, slots=True)
class ActiveCheck:
    """A rule's check as chosen for one level and version."""

    rule_id: str
    check: Check

    def violation(self, pod: PodView) -> Violation | None:
        """Judge the Pod by this one rule."""
        broken = self.check(pod)
        if broken is None:
            return None
        return Violation(self.rule_id, broken.reason, broken.detail)
