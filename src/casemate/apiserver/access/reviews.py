"""Questions about access, asked as objects: SubjectAccessReview and its kin, TokenReview.

Each is answered and not stored. Source: authorization.k8s.io/v1, authentication.k8s.io/v1 of 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casemate.apiserver.access.attributes import Attributes, User
from casemate.apiserver.access.authentication import Authenticator
from casemate.apiserver.access.rbac import Authorizer, Rule
from casemate.apiserver.resource import Tree
from casemate.apiserver.status_error import Cause, Subject, bad_request, invalid


def access_review(tree: Tree, authorizer: Authorizer, caller: User, namespace: str = "") -> Tree:
    """Answer who may do what: the caller for a Self... review, otherwise whom `spec` names.

    `namespace` is that of a LocalSubjectAccessReview's path. Raises ApiError 400 or 422.
    """
    kind, spec = str(tree.get("kind")), _spec(tree)
    causes = [*_attribute_causes(spec)]
    if kind != "SelfSubjectAccessReview" and not (spec.get("user") or spec.get("groups")):
        text = 'Invalid value: "": at least one of user or group must be specified'
        causes.append(Cause("FieldValueInvalid", text, "spec.user"))
    if kind == "LocalSubjectAccessReview":
        causes += _local_causes(spec, namespace)
    if causes:
        plural = f"{kind.lower()}s"
        raise invalid(Subject("authorization.k8s.io", plural), causes, kind=kind)
    user = caller if kind == "SelfSubjectAccessReview" else _user(spec)
    decision = authorizer.decide(_attributes(spec, user))
    status: Tree = {"allowed": decision.allowed}
    if decision.reason:
        status["reason"] = decision.reason
    return {**tree, "status": status}


def rules_review(tree: Tree, authorizer: Authorizer, caller: User) -> Tree:
    """Answer a SelfSubjectRulesReview: every rule that holds in the namespace."""
    namespace = _spec(tree).get("namespace")
    if not isinstance(namespace, str) or not namespace:
        raise bad_request("no namespace on request")
    rules = authorizer.rules_for(caller, namespace)
    return {
        **tree,
        "status": {
            "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
            "nonResourceRules": [
                {"verbs": sorted(rule.verbs), "nonResourceURLs": sorted(rule.paths)}
                for rule in rules
                if rule.paths
            ],
            "incomplete": False,
        },
    }


def token_review(tree: Tree, authenticator: Authenticator, default_audience: str) -> Tree:
    """Answer whose token it is; never says why one is refused."""
    spec = _spec(tree)
    token = spec.get("token")
    if not isinstance(token, str) or not token:
        raise bad_request("no token on request")
    audiences = tuple(one for one in spec.get("audiences") or () if isinstance(one, str))
    user = authenticator.of_token(token, audiences)
    # The question must not be a way to read the token back.
    shape = {**tree, "spec": {**spec, "token": ""}}
    if user is None:
        return {**shape, "status": {"authenticated": False, "user": {}, "error": "token refused"}}
    status = {
        "authenticated": True,
        "user": user.wire(),
        "audiences": list(audiences or (default_audience,)),
    }
    return {**shape, "status": status}


def self_review(tree: Tree, caller: User) -> Tree:
    """Answer who the caller is."""
    return {**tree, "status": {"userInfo": caller.wire()}}


def _spec(tree: Tree) -> Mapping[str, Any]:
    spec = tree.get("spec")
    if not isinstance(spec, dict):
        raise bad_request("spec is required")
    return spec


def _user(spec: Mapping[str, Any]) -> User:
    name, groups = spec.get("user") or "", spec.get("groups") or ()
    if not isinstance(name, str) or not isinstance(groups, list | tuple):
        raise bad_request("spec.user is no text, or spec.groups no list")
    return User(name, str(spec.get("uid") or ""), tuple(str(one) for one in groups))


def _attribute_causes(spec: Mapping[str, Any]) -> list[Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [Cause("FieldValueInvalid", f"Invalid value: {why}", "spec.nonResourceAttributes")]
    if not isinstance(resource, dict) and not isinstance(path, dict):
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [
            Cause("FieldValueInvalid", f"Invalid value: null: {why}", "spec.resourceAttributes")
        ]
    return []


def _local_causes(spec: Mapping[str, Any], namespace: str) -> list[Cause]:
    resource = spec.get("resourceAttributes")
    if not isinstance(resource, dict):
        why = "Invalid value: disallowed on this kind of request"
        return [Cause("FieldValueInvalid", why, "spec.nonResourceAttributes")]
    if resource.get("namespace", "") != namespace:
        why = f'Invalid value: "{resource.get("namespace", "")}": must match metadata.namespace'
        return [Cause("FieldValueInvalid", why, "spec.resourceAttributes.namespace")]
    return []


def _attributes(spec: Mapping[str, Any], user: User) -> Attributes:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    given: Mapping[str, Any] = resource if isinstance(resource, dict) else path or {}
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    if not isinstance(resource, dict):
        return Attributes(user, texts.get("verb", "").lower(), path=texts.get("path", ""))
    return Attributes(
        user,
        texts.get("verb", ""),
        texts.get("group", ""),
        texts.get("version", ""),
        texts.get("resource", ""),
        texts.get("subresource", ""),
        texts.get("namespace", ""),
        texts.get("name", ""),
    )


def _resource_rule(rule: Rule) -> Tree:
    shape: Tree = {
        "verbs": sorted(rule.verbs),
        "apiGroups": sorted(rule.groups),
        "resources": sorted(rule.resources),
    }
    return shape | ({"resourceNames": sorted(rule.names)} if rule.names else {})
