"""RBAC as Kubernetes evaluates it: rules only allow, and what no rule allows is denied; pure.

Source: k8s.io/kubernetes v1.36, plugin/pkg/auth/authorizer/rbac and pkg/registry/rbac/validation.
A role that does not exist grants nothing; a binding to it stands and waits for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from casemate.apiserver.access.attributes import MASTERS, Attributes, User
from casemate.apiserver.resource import Tree

_ALL = "*"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Decision:
    """The authorizer's answer; `reason` is for the audit log and for whoever asks by review."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One PolicyRule."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Rule:
        """Read a rule of a Role; a field of the wrong type grants nothing."""
        return cls(
            _texts(tree.get("verbs")),
            _texts(tree.get("apiGroups")),
            _texts(tree.get("resources")),
            _texts(tree.get("resourceNames")),
            _texts(tree.get("nonResourceURLs")),
        )

    def allows(self, asked: Attributes) -> bool:
        """Whether this rule alone allows it."""
        if _ALL not in self.verbs and asked.verb not in self.verbs:
            return False
        if not asked.is_resource:
            return any(_path_matches(one, asked.path) for one in self.paths)
        return (
            (_ALL in self.groups or asked.group in self.groups)
            and self._has_resource(asked)
            and (not self.names or asked.name in self.names)
        )

    def _has_resource(self, asked: Attributes) -> bool:
        full = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        return (
            _ALL in self.resources
            or full in self.resources
            or (bool(asked.subresource) and f"*/{asked.subresource}" in self.resources)
        )


@dataclass(frozen=True, slots=True)
class _Grant:
    """The rules of one binding, and where they hold; an empty namespace is everywhere."""

    namespace: str
    rules: tuple[Rule, ...]
    reason: str


@dataclass(slots=True)
class _Index:
    """Who is granted what."""

    by_subject: dict[tuple[str, str], list[_Grant]] = field(
        default_factory=lambda: defaultdict(list)
    )


class Authorizer:
    """Decides by the roles and bindings that it was last given."""

    def __init__(self) -> None:
        self._index = _Index()

    def replace(
        self,
        roles: Iterable[Tree],
        cluster_roles: Iterable[Tree],
        bindings: Iterable[Tree],
        cluster_bindings: Iterable[Tree],
    ) -> None:
        """Decide by these from now on."""
        found = list(cluster_roles)
        rules: dict[tuple[str, str, str], tuple[Rule, ...]] = {}
        for role in found:
            name = str(role["metadata"]["name"])
            rules["ClusterRole", "", name] = tuple(_rules(aggregated(role, found)))
        for role in roles:
            metadata = role["metadata"]
            rules["Role", str(metadata["namespace"]), str(metadata["name"])] = tuple(_rules(role))
        index = _Index()
        for binding in (*bindings, *cluster_bindings):
            _add(index, binding, rules)
        self._index = index

    def decide(self, asked: Attributes) -> Decision:
        """Decide one question; never raises."""
        if MASTERS in asked.user.groups:
            return Decision(allowed=True, reason="a member of system:masters")
        for grant in self._grants(asked.user):
            if grant.namespace and grant.namespace != asked.namespace:
                continue
            if any(rule.allows(asked) for rule in grant.rules):
                return Decision(allowed=True, reason=grant.reason)
        return Decision(allowed=False)

    def rules_for(self, user: User, namespace: str) -> tuple[Rule, ...]:
        """Return every rule that holds for a user in a namespace."""
        if MASTERS in user.groups:
            everything = frozenset({_ALL})
            return (
                Rule(everything, everything, everything),
                Rule(everything, paths=everything),
            )
        return tuple(
            rule
            for grant in self._grants(user)
            if grant.namespace in {"", namespace}
            for rule in grant.rules
        )

    def missing(self, user: User, namespace: str, rules: Iterable[Rule]) -> tuple[Rule, ...]:
        """Return what of `rules` a user does not hold himself, each of one verb on one thing."""
        return uncovered(rules, self.rules_for(user, namespace))

    def _grants(self, user: User) -> Iterator[_Grant]:
        by_subject = self._index.by_subject
        yield from by_subject.get(("User", user.name), ())
        for group in user.groups:
            yield from by_subject.get(("Group", group), ())


def aggregated(role: Tree, cluster_roles: Iterable[Tree]) -> Tree:
    """Return a ClusterRole with the rules that its aggregation rule collects."""
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    if not selectors:
        return role
    name = role["metadata"]["name"]
    collected = [
        rule
        for other in sorted(cluster_roles, key=lambda one: str(one["metadata"]["name"]))
        if other["metadata"]["name"] != name
        and any(_selected(other, selector) for selector in selectors)
        for rule in other.get("rules") or ()
    ]
    return {**role, "rules": collected}


def role_rules(tree: Tree) -> tuple[Rule, ...]:
    """Return the rules of a Role or ClusterRole."""
    return tuple(_rules(tree))


def uncovered(rules: Iterable[Rule], own: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return what of `rules` is not in `own`, each of one verb on one thing."""
    held = tuple(own)
    return tuple(one for rule in rules for one in _single(rule) if not _covered(one, held))


def _selected(role: Tree, selector: Mapping[str, Any]) -> bool:
    wanted = selector.get("matchLabels") or {}
    labels = role["metadata"].get("labels") or {}
    # Only matchLabels: an expression that is not understood selects nothing.
    return (
        bool(wanted)
        and not selector.get("matchExpressions")
        and all(labels.get(key) == value for key, value in wanted.items())
    )


def _rules(role: Tree) -> Iterator[Rule]:
    for tree in role.get("rules") or ():
        if isinstance(tree, dict):
            yield Rule.of(tree)


def _add(
    index: _Index, binding: Tree, rules: Mapping[tuple[str, str, str], tuple[Rule, ...]]
) -> None:
    metadata, reference = binding["metadata"], binding.get("roleRef") or {}
    namespace = str(metadata.get("namespace", ""))
    kind, name = str(reference.get("kind", "")), str(reference.get("name", ""))
    found = rules.get((kind, namespace if kind == "Role" else "", name))
    if found is None or (kind == "Role" and not namespace):
        return
    which = f'"{metadata["name"]}/{namespace}"' if namespace else f'"{metadata["name"]}"'
    bound = "RoleBinding" if namespace else "ClusterRoleBinding"
    role = f'{kind} "{name}/{namespace}"' if kind == "Role" else f'{kind} "{name}"'
    for subject in binding.get("subjects") or ():
        who = _subject(subject, namespace)
        if who is not None:
            reason = f"RBAC: allowed by {bound} {which} of {role} to {_shown(subject)}"
            index.by_subject[who].append(_Grant(namespace, found, reason))


def _subject(subject: Mapping[str, Any], namespace: str) -> tuple[str, str] | None:
    kind, name = subject.get("kind"), str(subject.get("name", ""))
    if kind in {"User", "Group"} and name:
        return str(kind), name
    if kind == "ServiceAccount" and name:
        owner = str(subject.get("namespace") or namespace)
        return ("User", f"{SERVICE_ACCOUNT_PREFIX}{owner}:{name}") if owner else None
    return None


def _shown(subject: Mapping[str, Any]) -> str:
    if subject.get("kind") == "ServiceAccount":
        return f'ServiceAccount "{subject.get("name")}/{subject.get("namespace", "")}"'
    return f'{subject.get("kind")} "{subject.get("name")}"'


def _texts(found: object) -> frozenset[str]:
    if not isinstance(found, list):
        return frozenset()
    return frozenset(one for one in found if isinstance(one, str))


def _path_matches(pattern: str, path: str) -> bool:
    if pattern == _ALL:
        return True
    if pattern.endswith(_ALL):
        return path.startswith(pattern[:-1])
    return path == pattern


def _single(rule: Rule) -> Iterator[Rule]:
    """Break a rule into rules of one verb on one thing."""
    for verb in rule.verbs:
        for path in rule.paths:
            yield Rule(frozenset({verb}), paths=frozenset({path}))
        for group in rule.groups:
            for resource in rule.resources:
                for name in rule.names or {""}:
                    names = frozenset({name}) if name else frozenset()
                    yield Rule(frozenset({verb}), frozenset({group}), frozenset({resource}), names)


def _covered(one: Rule, own: Iterable[Rule]) -> bool:
    return any(_includes(rule, one) for rule in own)


def _includes(rule: Rule, one: Rule) -> bool:
    if not _has(rule.verbs, one.verbs):
        return False
    if one.paths:
        wanted = next(iter(one.paths))
        return any(
            pattern == wanted or (wanted != _ALL and _path_matches(pattern, wanted))
            for pattern in rule.paths
        )
    if not _has(rule.groups, one.groups) or (rule.names and not one.names <= rule.names):
        return False
    if rule.names and not one.names:
        return False
    resource = next(iter(one.resources))
    _, _, subresource = resource.partition("/")
    return _has(rule.resources, one.resources) or (
        bool(subresource) and f"*/{subresource}" in rule.resources
    )


def _has(held: frozenset[str], wanted: frozenset[str]) -> bool:
    return _ALL in held or wanted <= held
