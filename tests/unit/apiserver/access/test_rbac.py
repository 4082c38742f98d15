"""RBAC decides as Kubernetes does."""

from __future__ import annotations

import pytest

from casemate.apiserver.access.attributes import Attributes, User
from casemate.apiserver.access.rbac import Authorizer, Rule, aggregated, uncovered

GROUP = "serverless.kyma-project.io"


def a_role(name="reader", *rules, namespace="", **fields):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"metadata": metadata | fields.pop("metadata", {}), "rules": list(rules), **fields}


def a_rule(verbs="get", groups="", resources="pods", names=""):
    rule = {
        "verbs": verbs.split(),
        "apiGroups": [one.strip("'") for one in (groups or "''").split()],
        "resources": resources.split(),
    }
    return rule | ({"resourceNames": names.split()} if names else {})


def a_binding(role="reader", kind="ClusterRole", namespace="", subjects=None, name="binding"):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": "alice"}] if subjects is None else subjects,
    }


def an_authorizer(*rules, bindings=None, cluster_bindings=None, roles=()):
    authorizer = Authorizer()
    everywhere = [a_binding()] if bindings is None and cluster_bindings is None else []
    authorizer.replace(
        roles, [a_role("reader", *rules)], bindings or [], cluster_bindings or everywhere
    )
    return authorizer


def asks(verb="get", group="", resource="pods", name="", namespace="shop", user="alice", **more):
    resource, _, subresource = resource.partition("/")
    groups = more.pop("groups", ())
    return Attributes(
        User(user, "", groups), verb, group, "v1", resource, subresource, namespace, name
    )


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        (a_rule(), asks(), True),
        (a_rule("list"), asks(), False),
        (a_rule("*"), asks("anything"), True),
        (a_rule(groups=GROUP), asks(), False),
        (a_rule(groups="*"), asks(group=GROUP), True),
        (a_rule(resources="pods"), asks(resource="pods/log"), False),
        (a_rule(resources="pods/log"), asks(resource="pods/log"), True),
        (a_rule(resources="pods/log"), asks(resource="pods"), False),
        (a_rule(resources="*/log"), asks(resource="pods/log"), True),
        (a_rule(resources="*/log"), asks(resource="pods"), False),
        (a_rule(resources="pods/*"), asks(resource="pods/log"), False),
        (a_rule(resources="*"), asks(resource="pods/log"), True),
        (a_rule(names="one two"), asks(name="two"), True),
        (a_rule(names="one two"), asks(name="three"), False),
        (a_rule("list", names="one"), asks("list"), False),
        (a_rule("create", names="one"), asks("create"), False),
        ({"verbs": "get", "apiGroups": [""], "resources": ["pods"]}, asks(), False),
        ({}, asks(), False),
    ],
)
def test_a_rule_allows_what_it_names_and_nothing_else(rule, asked, allowed):
    assert an_authorizer(rule).decide(asked).allowed is allowed


@pytest.mark.parametrize(
    ("pattern", "path", "allowed"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz/etcd", False),
        ("/healthz/*", "/healthz/etcd", True),
        ("/healthz/*", "/healthz", False),
        ("*", "/anything", True),
        ("/api*", "/apis/x", True),
    ],
)
def test_a_path_is_matched_whole_or_by_its_beginning(pattern, path, allowed):
    rule = {"verbs": ["get"], "nonResourceURLs": [pattern]}

    decision = an_authorizer(rule).decide(Attributes(User("alice"), "get", path=path))

    assert decision.allowed is allowed


def test_a_rule_about_paths_says_nothing_about_resources():
    rule = {"verbs": ["*"], "nonResourceURLs": ["*"]}

    assert not an_authorizer(rule).decide(asks()).allowed


@pytest.mark.parametrize(
    ("subject", "asked"),
    [
        ({"kind": "User", "name": "alice"}, asks()),
        ({"kind": "Group", "name": "ops"}, asks(user="bob", groups=("ops",))),
        (
            {"kind": "ServiceAccount", "name": "ci", "namespace": "build"},
            asks(user="system:serviceaccount:build:ci"),
        ),
    ],
)
def test_every_kind_of_subject_is_found(subject, asked):
    authorizer = an_authorizer(a_rule(), cluster_bindings=[a_binding(subjects=[subject])])

    assert authorizer.decide(asked).allowed
    assert not authorizer.decide(asks(user="mallory")).allowed


def test_a_group_is_no_user_of_the_same_name():
    subjects = [{"kind": "Group", "name": "alice"}]
    authorizer = an_authorizer(a_rule(), cluster_bindings=[a_binding(subjects=subjects)])

    assert not authorizer.decide(asks(user="alice")).allowed


def test_a_service_account_without_namespace_is_one_of_the_bindings_own():
    subjects = [{"kind": "ServiceAccount", "name": "ci"}]
    authorizer = an_authorizer(a_rule(), bindings=[a_binding(namespace="shop", subjects=subjects)])

    assert authorizer.decide(asks(user="system:serviceaccount:shop:ci")).allowed
    assert not authorizer.decide(asks(user="system:serviceaccount:other:ci")).allowed


def test_a_role_binding_holds_in_its_namespace_only():
    authorizer = an_authorizer(a_rule(), bindings=[a_binding(namespace="shop")])

    assert authorizer.decide(asks()).allowed
    assert not authorizer.decide(asks(namespace="bank")).allowed
    assert not authorizer.decide(asks(namespace="")).allowed


def test_a_role_of_another_namespace_cannot_be_bound():
    roles = [a_role("local", a_rule(), namespace="bank")]
    bindings = [a_binding("local", "Role", "shop")]
    authorizer = an_authorizer(bindings=bindings, roles=roles)

    assert not authorizer.decide(asks()).allowed


def test_a_binding_to_a_role_that_is_not_there_grants_nothing():
    authorizer = an_authorizer(cluster_bindings=[a_binding("ghost")])

    assert not authorizer.decide(asks()).allowed


def test_a_cluster_binding_cannot_hand_out_a_namespaces_role():
    authorizer = Authorizer()
    authorizer.replace(
        [a_role("local", a_rule(), namespace="shop")], [], [], [a_binding("local", "Role")]
    )

    assert not authorizer.decide(asks()).allowed


def test_masters_may_do_everything_and_nobody_else_without_a_rule():
    authorizer = Authorizer()

    assert authorizer.decide(asks(groups=("system:masters",))).allowed
    assert not authorizer.decide(asks(groups=("system:authenticated",))).allowed


def test_a_decision_names_the_binding_that_allowed_it():
    reason = an_authorizer(a_rule()).decide(asks()).reason

    assert (
        reason
        == 'RBAC: allowed by ClusterRoleBinding "binding" of ClusterRole "reader" to User "alice"'
    )


def test_an_aggregated_role_collects_the_rules_of_labelled_ones_but_not_its_own():
    selector = {"matchLabels": {"to": "view"}}
    view = a_role("view", a_rule("delete"), aggregationRule={"clusterRoleSelectors": [selector]})
    labelled = a_role("b", a_rule("get"), metadata={"labels": {"to": "view"}})
    first = a_role("a", a_rule("list"), metadata={"labels": {"to": "view", "x": "y"}})
    other = a_role("c", a_rule("watch"), metadata={"labels": {"to": "edit"}})

    collected = aggregated(view, [view, labelled, other, first])

    assert [rule["verbs"] for rule in collected["rules"]] == [["list"], ["get"]]


@pytest.mark.parametrize(
    "selector",
    [{}, {"matchLabels": {}}, {"matchLabels": {"to": "view"}, "matchExpressions": [{"key": "x"}]}],
)
def test_a_selector_that_is_empty_or_not_understood_selects_nothing(selector):
    view = a_role("view", aggregationRule={"clusterRoleSelectors": [selector]})
    labelled = a_role("b", a_rule(), metadata={"labels": {"to": "view"}})

    assert aggregated(view, [view, labelled])["rules"] == []


@pytest.mark.parametrize(
    ("held", "wanted", "covered"),
    [
        (a_rule("get list"), a_rule("get"), True),
        (a_rule("get"), a_rule("get list"), False),
        (a_rule("*"), a_rule("get"), True),
        (a_rule("get"), a_rule("*"), False),
        (a_rule(names="one"), a_rule(), False),
        (a_rule(), a_rule(names="one"), True),
        (a_rule(names="one two"), a_rule(names="two"), True),
        (a_rule(names="one"), a_rule(names="two"), False),
        (a_rule(resources="*"), a_rule(resources="pods/log"), True),
        (a_rule(resources="*/log"), a_rule(resources="pods/log"), True),
        (a_rule(resources="pods"), a_rule(resources="*/log"), False),
        (a_rule(groups="*"), a_rule(groups=GROUP), True),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/a/*"]},
            {"verbs": ["get"], "nonResourceURLs": ["/a/b"]},
            True,
        ),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/a"]},
            {"verbs": ["get"], "nonResourceURLs": ["*"]},
            False,
        ),
    ],
)
def test_what_one_holds_covers_what_it_includes(held, wanted, covered):
    lacking = uncovered([Rule.of(wanted)], [Rule.of(held)])

    assert (not lacking) is covered


def test_parts_of_a_rule_may_be_held_by_different_rules():
    wanted = Rule.of(a_rule("get list", resources="pods configmaps"))
    held = [Rule.of(a_rule("get list")), Rule.of(a_rule("get list", resources="configmaps"))]

    assert uncovered([wanted], held) == ()
    assert len(uncovered([wanted], held[:1])) == 2
