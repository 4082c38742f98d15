"""The rules that single kinds of Kubernetes have beyond their schemas, in Kubernetes' words; pure.

Source: Kubernetes 1.36, pkg/apis/{core,rbac,coordination,apps}/validation and their defaults.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from typing import Any

from casemate.api.core_objects import LARGEST_DATA_BYTES
from casemate.apiserver.metadata_rules import data_key_faults
from casemate.apiserver.patch.json_values import same_value
from casemate.apiserver.resource import GroupResource, Resource, Tree
from casemate.apiserver.schema_rules import invalid_value, not_supported, required, too_long
from casemate.apiserver.status_error import Cause

_RBAC = "rbac.authorization.k8s.io"
_NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_TYPES = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
_LOGIN_KEYS = ("username", "password")
_FROZEN = "Forbidden: field is immutable when `immutable` is set"
Rule = Callable[[Tree], Iterator[Cause]]
UpdateRule = Callable[[Tree, Tree], Iterator[Cause]]


def default_core_fields(resource: Resource, tree: Tree, given: Tree) -> None:
    """Fill in what Kubernetes defaults in code and not in a schema; changes `tree`.

    `given` is the object before its empty lists were taken out.
    """
    if resource.group != _RBAC:
        return
    if resource.plural.endswith("roles"):
        # Kubernetes writes an empty list of rules as null, yet who wrote `[]` owns it.
        tree.setdefault("rules", [] if given.get("rules") == [] else None)
        return
    role, subjects = tree.get("roleRef"), tree.get("subjects")
    if isinstance(role, dict) and not role.get("apiGroup"):
        role["apiGroup"] = _RBAC
    for subject in subjects if isinstance(subjects, list) else ():
        if isinstance(subject, dict) and subject.get("kind") in {"User", "Group"}:
            subject["apiGroup"] = subject.get("apiGroup") or _RBAC


def core_causes(resource: Resource, tree: Tree) -> Iterator[Cause]:
    """Yield what an object breaks of its kind's own rules; its schema holds already."""
    rule = _RULES.get(resource.group_resource)
    return rule(tree) if rule is not None else iter(())


def core_update_causes(resource: Resource, old: Tree, new: Tree) -> Iterator[Cause]:
    """Yield what an update may not change."""
    rule = _UPDATE_RULES.get(resource.group_resource)
    return rule(old, new) if rule is not None else iter(())


def undecodable(resource: Resource, tree: Tree) -> str | None:
    """Return why bytes that stand in an object as base64 cannot be read."""
    fields = {"secrets": "data", "configmaps": "binaryData"}
    name = fields.get(resource.plural) if resource.group == "" else None
    values = tree.get(name) if name else None
    for value in values.values() if isinstance(values, dict) else ():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            return "illegal base64 data"
    return None


def _secret(tree: Tree) -> Iterator[Cause]:
    data = tree.get("data") or {}
    yield from _keys("data", data)
    if sum(_decoded_size(value) for value in data.values()) > LARGEST_DATA_BYTES:
        yield too_long("data", LARGEST_DATA_BYTES)
    kind = tree.get("type")
    missing = [key for key in _NEEDED_KEYS.get(str(kind), ()) if key not in data]
    for key in missing:
        yield required(f"data[{key}]")
    if kind in _JSON_TYPES and not missing:
        key = _NEEDED_KEYS[kind][0]
        if not _is_json_object(data[key]):
            text = 'Invalid value: "<secret contents redacted>": is no JSON object'
            yield Cause("FieldValueInvalid", text, f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not any(key in data for key in _LOGIN_KEYS):
        for key in _LOGIN_KEYS:
            yield required(f"data[{key}]")
    annotations = (tree.get("metadata") or {}).get("annotations") or {}
    name = "kubernetes.io/service-account.name"
    if kind == "kubernetes.io/service-account-token" and not annotations.get(name):
        yield required(f"metadata.annotations[{name}]")


def _config_map(tree: Tree) -> Iterator[Cause]:
    texts, raw = tree.get("data") or {}, tree.get("binaryData") or {}
    yield from _keys("data", texts)
    yield from _keys("binaryData", raw)
    for key in texts.keys() & raw.keys():
        text = f"Invalid value: {json.dumps(key)}: duplicate of key present in binaryData"
        yield Cause("FieldValueInvalid", text, f"data[{key}]")
    size = sum(len(text.encode()) for text in texts.values())
    if size + sum(_decoded_size(value) for value in raw.values()) > LARGEST_DATA_BYTES:
        yield too_long("", LARGEST_DATA_BYTES)


def _keys(path: str, values: Tree) -> Iterator[Cause]:
    for key in values:
        for fault in data_key_faults(key):
            # The key is no secret: who reads a list of keys learns no value.
            text = f"Invalid value: {json.dumps(key, ensure_ascii=False)}: {fault}"
            yield Cause("FieldValueInvalid", text, f"{path}[{key}]")


def _role(tree: Tree) -> Iterator[Cause]:
    yield from _policy_rules(tree, namespaced=True)


def _cluster_role(tree: Tree) -> Iterator[Cause]:
    yield from _policy_rules(tree, namespaced=False)
    aggregation = tree.get("aggregationRule")
    if isinstance(aggregation, dict) and not aggregation.get("clusterRoleSelectors"):
        path = "aggregationRule.clusterRoleSelectors"
        yield required(
            path, "at least one clusterRoleSelector required if aggregationRule is non-nil"
        )


def _policy_rules(tree: Tree, *, namespaced: bool) -> Iterator[Cause]:
    for index, rule in enumerate(tree.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            yield required(f"{path}.verbs", "verbs must contain at least one value")
        urls = rule.get("nonResourceURLs")
        if urls:
            if namespaced:
                why = "namespaced rules cannot apply to non-resource URLs"
                yield invalid_value(f"{path}.nonResourceURLs", urls, why)
            if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid_value(f"{path}.nonResourceURLs", urls, why)
            continue
        if not rule.get("apiGroups"):
            why = "resource rules must supply at least one api group"
            yield required(f"{path}.apiGroups", why)
        if not rule.get("resources"):
            why = "resource rules must supply at least one resource"
            yield required(f"{path}.resources", why)


def _binding(tree: Tree) -> Iterator[Cause]:
    yield from _role_reference(tree.get("roleRef") or {}, ["Role", "ClusterRole"])
    yield from _subjects(tree, namespaced=True)


def _cluster_binding(tree: Tree) -> Iterator[Cause]:
    yield from _role_reference(tree.get("roleRef") or {}, ["ClusterRole"])
    yield from _subjects(tree, namespaced=False)


def _role_reference(role: Tree, kinds: list[Any]) -> Iterator[Cause]:
    if role.get("apiGroup") != _RBAC:
        yield not_supported("roleRef.apiGroup", role.get("apiGroup") or "", [_RBAC])
    if role.get("kind") not in kinds:
        yield not_supported("roleRef.kind", role.get("kind") or "", kinds)
    if not role.get("name"):
        yield required("roleRef.name")


def _subjects(tree: Tree, *, namespaced: bool) -> Iterator[Cause]:
    for index, subject in enumerate(tree.get("subjects") or ()):
        path = f"subjects[{index}]"
        if not subject.get("name"):
            yield required(f"{path}.name")
        kind, group = subject.get("kind") or "", subject.get("apiGroup") or ""
        if kind == "ServiceAccount":
            if group:
                yield not_supported(f"{path}.apiGroup", group, [""])
            if not namespaced and not subject.get("namespace"):
                yield required(f"{path}.namespace")
        elif kind in {"User", "Group"}:
            if group != _RBAC:
                yield not_supported(f"{path}.apiGroup", group, [_RBAC])
        else:
            yield not_supported(f"{path}.kind", kind, ["ServiceAccount", "User", "Group"])


def _lease(tree: Tree) -> Iterator[Cause]:
    spec = tree.get("spec") or {}
    seconds, turns = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if turns is not None and turns < 0:
        yield invalid_value("spec.leaseTransitions", turns, "must be greater than or equal to 0")
    if spec.get("holderIdentity") == "":
        yield invalid_value("spec.holderIdentity", "", "must not be empty")


def _secret_update(old: Tree, new: Tree) -> Iterator[Cause]:
    if old.get("type") != new.get("type"):
        yield invalid_value("type", new.get("type") or "", "field is immutable")
    yield from _frozen(old, new, ("data",))


def _config_map_update(old: Tree, new: Tree) -> Iterator[Cause]:
    yield from _frozen(old, new, ("data", "binaryData"))


def _frozen(old: Tree, new: Tree, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield Cause("FieldValueForbidden", _FROZEN, "immutable")
    for field in fields:
        if not same_value(old.get(field) or {}, new.get(field) or {}):
            yield Cause("FieldValueForbidden", _FROZEN, field)


def _binding_update(old: Tree, new: Tree) -> Iterator[Cause]:
    if not same_value(old.get("roleRef"), new.get("roleRef")):
        yield invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")


def _revision_update(old: Tree, new: Tree) -> Iterator[Cause]:
    if not same_value(old.get("data"), new.get("data")):
        yield Cause(
            "FieldValueInvalid", 'Invalid value: "<value omitted>": field is immutable', "data"
        )


def _decoded_size(value: str) -> int:
    return len(value) * 3 // 4 - value[-2:].count("=")


def _is_json_object(value: str) -> bool:
    try:
        return isinstance(json.loads(base64.b64decode(value)), dict)
    except (ValueError, RecursionError):
        return False


def _event(tree: Tree) -> Iterator[Cause]:
    about = (tree.get("involvedObject") or {}).get("namespace") or "default"
    if about != tree["metadata"].get("namespace"):
        shown = (tree.get("involvedObject") or {}).get("namespace", "")
        yield invalid_value("involvedObject.namespace", shown, "does not match event.namespace")


_RULES: dict[GroupResource, Rule] = {
    GroupResource("", "events"): _event,
    GroupResource("", "secrets"): _secret,
    GroupResource("", "configmaps"): _config_map,
    GroupResource(_RBAC, "roles"): _role,
    GroupResource(_RBAC, "clusterroles"): _cluster_role,
    GroupResource(_RBAC, "rolebindings"): _binding,
    GroupResource(_RBAC, "clusterrolebindings"): _cluster_binding,
    GroupResource("coordination.k8s.io", "leases"): _lease,
}
_UPDATE_RULES: dict[GroupResource, UpdateRule] = {
    GroupResource("", "secrets"): _secret_update,
    GroupResource("", "configmaps"): _config_map_update,
    GroupResource(_RBAC, "rolebindings"): _binding_update,
    GroupResource(_RBAC, "clusterrolebindings"): _binding_update,
    GroupResource("apps", "controllerrevisions"): _revision_update,
}
