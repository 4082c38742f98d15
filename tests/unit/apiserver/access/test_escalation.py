"""Nobody grants what he does not hold."""

from __future__ import annotations

import asyncio

import pytest

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.escalation import EscalationCheck
from casemate.apiserver.access.rbac import Authorizer
from casemate.apiserver.admission import AdmissionRequest
from casemate.apiserver.kinds import resources_by_kind
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey

RBAC = "rbac.authorization.k8s.io"
PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
SECRETS = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}


def a_role(*rules, **fields):
    return {"metadata": {"name": "r", "namespace": "shop"}, "rules": list(rules)} | fields


def a_binding(kind="Role", name="reader", subjects=("bob",), **fields):
    return {
        "metadata": {"name": "b", "namespace": "shop"},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": one} for one in subjects],
    } | fields


def check(kind, new, old=None, *, held=(), groups=(), stored=None):
    """Let alice, who holds `held` in namespace shop, write `new`."""

    async def whole():
        store = await Store.open(None)
        try:
            for role in (stored or {}).items():
                plural, tree = role
                home = "shop" if plural == "roles" else ""
                key = ObjectKey(RBAC, plural, home, tree["metadata"]["name"])
                await store.create(key, tree)
            authorizer = Authorizer()
            authorizer.replace(
                [],
                [{"metadata": {"name": "own"}, "rules": list(held)}],
                [{
                    "metadata": {"name": "own", "namespace": "shop"},
                    "roleRef": {"kind": "ClusterRole", "name": "own"},
                    "subjects": [{"kind": "User", "name": "alice"}],
                }],
                [],
            )  # fmt: skip
            resource = resources_by_kind()[kind]
            namespace = "shop" if resource.namespaced else ""
            operation = "create" if old is None else "update"
            request = AdmissionRequest(
                operation, resource, namespace, "r", "", User("alice", "", groups), new, old
            )
            EscalationCheck(store, authorizer)(request)
        finally:
            await store.close()

    asyncio.run(whole())


def refusal(*given, **named):
    with pytest.raises(ApiError) as refused:
        check(*given, **named)
    return refused.value


def test_a_role_of_what_one_holds_may_be_made():
    check("Role", a_role(PODS), held=[PODS])


def test_a_role_of_more_than_one_holds_is_refused_with_everything_that_is_missing():
    error = refusal("Role", a_role(PODS, SECRETS), held=[{**PODS, "verbs": ["get"]}])

    assert error.status == 403
    assert error.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=[]) is attempting '
        "to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )


def test_what_one_holds_in_a_namespace_does_not_make_a_cluster_role():
    assert refusal("ClusterRole", a_role(PODS), held=[PODS]).status == 403


@pytest.mark.parametrize(
    "allowed",
    [
        {"groups": ("system:masters",)},
        {"held": [{"verbs": ["escalate"], "apiGroups": [RBAC], "resources": ["roles"]}]},
    ],
)
def test_masters_and_those_who_may_escalate_pass(allowed):
    check("Role", a_role(SECRETS), **allowed)


def test_escalation_of_one_named_role_does_not_reach_a_new_one():
    one = {
        "verbs": ["escalate"],
        "apiGroups": [RBAC],
        "resources": ["roles"],
        "resourceNames": ["r"],
    }

    assert refusal("Role", a_role(SECRETS), held=[one]).status == 403
    check("Role", a_role(SECRETS), a_role(PODS), held=[one])


def test_a_change_that_leaves_the_rules_alone_passes():
    check("Role", a_role(SECRETS), a_role(SECRETS))
    assert refusal("Role", a_role(SECRETS), a_role(PODS), held=[PODS]).status == 403


def test_an_aggregation_rule_needs_everything():
    selecting = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}

    error = refusal("ClusterRole", a_role(**selecting), held=[PODS])

    assert "must have cluster-admin privileges to use the aggregationRule" in error.message


READER = {"metadata": {"name": "reader"}, "rules": [PODS]}
READER_ROLES = {"roles": {"metadata": {"name": "reader", "namespace": "shop"}, "rules": [PODS]}}


def test_a_binding_needs_what_its_role_grants():
    check("RoleBinding", a_binding(), held=[PODS], stored=READER_ROLES)
    assert refusal("RoleBinding", a_binding(), stored=READER_ROLES).status == 403


def test_who_may_bind_a_named_role_may_bind_that_one_only():
    bind = {
        "verbs": ["bind"],
        "apiGroups": [RBAC],
        "resources": ["clusterroles"],
        "resourceNames": ["reader"],
    }
    other = {"clusterroles": {"metadata": {"name": "other"}, "rules": [SECRETS]}}

    check("RoleBinding", a_binding("ClusterRole"), held=[bind], stored={"clusterroles": READER})
    error = refusal("RoleBinding", a_binding("ClusterRole", "other"), held=[bind], stored=other)
    assert error.status == 403


def test_a_binding_to_a_role_that_is_not_there_is_not_found():
    error = refusal("RoleBinding", a_binding())

    assert (error.status, error.message) == (
        404,
        'roles.rbac.authorization.k8s.io "reader" not found',
    )
    check("RoleBinding", a_binding(), groups=("system:masters",))


def test_a_binding_whose_subjects_stay_may_be_changed():
    check("RoleBinding", a_binding(), a_binding(), stored=READER_ROLES)


def test_new_subjects_need_what_the_role_grants():
    error = refusal(
        "RoleBinding", a_binding(subjects=("bob", "carol")), a_binding(), stored=READER_ROLES
    )

    assert error.status == 403


def test_the_role_of_a_binding_never_changes_not_even_by_a_master():
    error = refusal("RoleBinding", a_binding(name="admin"), a_binding(), groups=("system:masters",))

    assert error.status == 422
    assert error.causes[0].field == "roleRef"
    assert error.causes[0].message.endswith("cannot change roleRef")


@pytest.mark.parametrize(
    ("kind", "reference", "fields"),
    [
        ("RoleBinding", {}, {"roleRef.apiGroup", "roleRef.kind", "roleRef.name"}),
        ("RoleBinding", {"apiGroup": RBAC, "kind": "Pod", "name": "x"}, {"roleRef.kind"}),
        ("ClusterRoleBinding", {"apiGroup": RBAC, "kind": "Role", "name": "x"}, {"roleRef.kind"}),
        ("RoleBinding", None, {"roleRef.apiGroup", "roleRef.kind", "roleRef.name"}),
    ],
)
def test_a_reference_that_is_none_is_refused_with_every_field(kind, reference, fields):
    error = refusal(kind, a_binding(roleRef=reference), groups=("system:masters",))

    assert error.status == 422
    assert {cause.field for cause in error.causes} == fields


def test_other_kinds_and_deletes_are_no_concern_of_it():
    check("ConfigMap", {"metadata": {"name": "r"}})
    check("Role", None, a_role(SECRETS))
