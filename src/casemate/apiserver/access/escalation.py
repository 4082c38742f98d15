"""Nobody grants what he does not hold: the admission check of roles and bindings.

Source: k8s.io/kubernetes v1.36, pkg/registry/rbac/{role,rolebinding,...}/policybased. Members of
`system:masters` pass, as do holders of the verbs `escalate` (on the role) and `bind` (on the role
that is bound); everybody else must hold each single permission himself, where it would hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from casemate.apiserver.access.attributes import MASTERS, Attributes
from casemate.apiserver.access.live_roles import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    RBAC_GROUP,
    ROLE_BINDINGS,
    ROLES,
)
from casemate.apiserver.access.rbac import Authorizer, Rule, role_rules
from casemate.apiserver.admission import AdmissionRequest
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import ApiError, Cause, Subject, forbidden, invalid, not_found
from casemate.apiserver.store.database import Store
from casemate.apiserver.store.objects import ObjectKey

_EVERYTHING = role_rules({
    "rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
})  # fmt: skip


class EscalationCheck:
    """Refuses roles that grant, and bindings that hand out, more than their author has."""

    def __init__(self, store: Store, authorizer: Authorizer) -> None:
        self._store = store
        self._authorizer = authorizer

    def __call__(self, request: AdmissionRequest) -> None:
        """Raise ApiError 403, 404 or 422."""
        kind = request.resource.group_resource
        if request.new is None or request.resource.group != RBAC_GROUP:
            return
        if kind in (ROLES, CLUSTER_ROLES):
            self._check_role(request, request.new)
        elif kind in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
            _check_reference(request, request.new)
            self._check_binding(request, request.new)

    def _check_role(self, request: AdmissionRequest, new: Tree) -> None:
        old = request.old or {}
        if request.old is not None and _same(old, new, "rules", "aggregationRule"):
            return
        user, namespace = request.user, request.namespace
        if MASTERS in user.groups or self._may(request, "escalate", request.resource.plural):
            return
        if new.get("aggregationRule"):
            # Whatever somebody labels later would be granted by this role.
            if self._authorizer.missing(user, "", _EVERYTHING):
                raise _refused(
                    request, "must have cluster-admin privileges to use the aggregationRule"
                )
            return
        self._check_held(request, namespace, role_rules(new))

    def _check_binding(self, request: AdmissionRequest, new: Tree) -> None:
        old = request.old or {}
        if request.old is not None and _same(old, new, "subjects", "roleRef"):
            return
        reference = new["roleRef"]
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        user, namespace = request.user, request.namespace
        if MASTERS in user.groups or self._may(request, "bind", plural, str(reference["name"])):
            return
        home = namespace if plural == "roles" else ""
        found = self._store.get(ObjectKey(RBAC_GROUP, plural, home, str(reference["name"])))
        if found is None:
            raise not_found(Subject(RBAC_GROUP, plural, str(reference["name"])))
        self._check_held(request, namespace, role_rules(found.tree()))

    def _may(self, request: AdmissionRequest, verb: str, plural: str, name: str = "") -> bool:
        # A binding asks about the role in its own namespace, cluster roles included; a role that
        # is made has no name yet, so a permission for one name does not reach it.
        asked = Attributes(
            request.user, verb, RBAC_GROUP, "v1", plural, "", request.namespace,
            name or (request.name if request.old is not None else ""),
        )  # fmt: skip
        return self._authorizer.decide(asked).allowed

    def _check_held(self, request: AdmissionRequest, namespace: str, rules: Iterable[Rule]) -> None:
        lacking = self._authorizer.missing(request.user, namespace, rules)
        if lacking:
            groups = ", ".join(f'"{group}"' for group in request.user.groups)
            listed = "\n".join(_shown(rule) for rule in lacking)
            raise _refused(
                request,
                f'user "{request.user.name}" (groups=[{groups}]) is attempting to grant RBAC '
                f"permissions not currently held:\n{listed}",
            )


def _check_reference(request: AdmissionRequest, new: Tree) -> None:
    """Refuse a reference that is none, and one that changes. Raises ApiError 422."""
    reference: Any = new.get("roleRef")
    given = reference if isinstance(reference, dict) else {}
    kinds = ("ClusterRole",) if request.resource.plural == "clusterrolebindings" else (
        "Role", "ClusterRole",
    )  # fmt: skip
    causes = []
    if given.get("apiGroup") != RBAC_GROUP:
        causes.append(_unsupported("roleRef.apiGroup", given.get("apiGroup"), (RBAC_GROUP,)))
    if given.get("kind") not in kinds:
        causes.append(_unsupported("roleRef.kind", given.get("kind"), kinds))
    if not given.get("name"):
        causes.append(Cause("FieldValueRequired", "Required value", "roleRef.name"))
    if request.old is not None and not causes and request.old.get("roleRef") != reference:
        # ATTACK: who may change the subjects of a binding would otherwise choose its role.
        # tests/unit/apiserver/access/test_escalation.py
        text = f"Invalid value: {_go(given)}: cannot change roleRef"
        causes.append(Cause("FieldValueInvalid", text, "roleRef"))
    if causes:
        subject = Subject(RBAC_GROUP, request.resource.plural, request.name)
        raise invalid(subject, causes, kind=request.resource.kind)


def _same(old: Tree, new: Tree, *fields: str) -> bool:
    return all((old.get(field) or None) == (new.get(field) or None) for field in fields)


def _refused(request: AdmissionRequest, why: str) -> ApiError:
    subject = Subject(RBAC_GROUP, request.resource.plural, request.name)
    full = request.resource.group_resource
    return forbidden(f'{full} "{request.name}" is forbidden: {why}', subject)


def _unsupported(field: str, value: object, allowed: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{one}"' for one in allowed)
    text = f'Unsupported value: "{value or ""}": supported values: {listed}'
    return Cause("FieldValueNotSupported", text, field)


def _shown(rule: Rule) -> str:
    """Write a rule as Kubernetes does in this message."""
    fields = (
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.names),
        ("NonResourceURLs", rule.paths),
        ("Verbs", rule.verbs),
    )
    listed = [
        name + ":[" + ", ".join(f'"{one}"' for one in sorted(values)) + "]"
        for name, values in fields
        if values
    ]
    return "{" + ", ".join(listed) + "}"


def _go(reference: dict[str, Any]) -> str:
    fields = (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))
    return "{" + ", ".join(f'{shown}:"{reference.get(key, "")}"' for shown, key in fields) + "}"
