"""Judges Pods, and objects that make Pods, against a level and version of the standards.

The input is untrusted JSON of any shape: evaluation never raises on it, and what cannot be read is
a violation of the rule `malformed`. All broken rules are told at once. An empty answer allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from casemate.security.pss.extract import Extracted, extract_pod, flatten
from casemate.security.pss.levels import Level, PolicyVersion, parse_level, parse_version
from casemate.security.pss.node import Node, type_name
from casemate.security.pss.read_pod import read_pod
from casemate.security.pss.registry import checks_for
from casemate.security.pss.wording import listed
from casemate.security.verdict import Violation

MALFORMED = "malformed"
UNKNOWN_KIND = "unknownKind"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the standards say about one object."""

    kind: str
    name: str
    violations: tuple[Violation, ...]

    @property
    def allowed(self) -> bool:
        """Tell whether no rule is broken."""
        return not self.violations

    def wire(self, file: str) -> dict[str, object]:
        """Answer `{file, kind, name, allowed, violations: [{rule, reason, detail}]}`."""
        return {
            "file": file,
            "kind": self.kind,
            "name": self.name,
            "allowed": self.allowed,
            "violations": [violation.wire() for violation in self.violations],
        }


def evaluate_pod(pod: object, level: Level, version: PolicyVersion) -> tuple[Violation, ...]:
    """Judge a Pod or Pod template: an object with `metadata` and `spec`."""
    if level is Level.PRIVILEGED:
        return ()
    if not isinstance(pod, Mapping):
        return (_malformed([f"the Pod is {type_name(pod)}, expected an object"]),)
    return _judge(Node(pod), level, version)


def evaluate_object(document: object, level: Level, version: PolicyVersion) -> Evaluation:
    """Judge an object of any kind; one that no Pod comes from is allowed."""
    extracted = extract_pod(document)
    if level is Level.PRIVILEGED:
        return Evaluation(extracted.kind, extracted.name, ())
    return Evaluation(extracted.kind, extracted.name, tuple(_violations(extracted, level, version)))


def evaluate_documents(
    documents: Iterable[tuple[str, object]], level: str, version: str
) -> list[dict[str, object]]:
    """Judge every object of `(file, document)` pairs; lists are taken apart, empty ones left out.

    Answers as `Evaluation.wire` does, per object, in order. Raises UnknownPolicy for a level or
    version that does not exist.
    """
    wanted = parse_level(level), parse_version(version)
    return [
        evaluate_object(item, *wanted).wire(file)
        for file, document in documents
        for item in (() if document is None else flatten(document))
    ]


def _violations(extracted: Extracted, level: Level, version: PolicyVersion) -> list[Violation]:
    violations = []
    if extracted.unknown:
        violations.append(
            Violation(
                UNKNOWN_KIND,
                "kind not known to this evaluator",
                f"{extracted.unknown}: evaluate the Pods or workloads that come of it",
            )
        )
    if extracted.pod is not None:
        # Its problems hold those of the way to it as well.
        violations.extend(_judge(extracted.pod, level, version))
    elif extracted.problems:
        violations.append(_malformed(list(extracted.problems)))
    return violations


def _judge(pod: Node, level: Level, version: PolicyVersion) -> tuple[Violation, ...]:
    view = read_pod(pod)
    broken = [check.violation(view) for check in checks_for(level, version)]
    violations = tuple(violation for violation in broken if violation is not None)
    if pod.problems:
        return (_malformed(pod.problems), *violations)
    return violations


def _malformed(problems: list[str]) -> Violation:
    return Violation(MALFORMED, "not a valid object", listed(problems))
