"""What an object may hold: pruning, defaults, and every broken rule in one answer."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.apiserver.own_kinds import own_resources
from casemate.apiserver.resource import Resource
from casemate.apiserver.status_error import ApiError
from casemate.apiserver.validation import prune_and_default, update_violations, violations

Tree = dict[str, Any]
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_RULES = {
    "type": "array",
    "items": {"type": "object", "properties": {
        name: {"type": "array", "items": _TEXT}
        for name in ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    }},
}  # fmt: skip
_REFERENCE = {"type": "object", "required": ["kind", "name"], "properties": {
    "apiGroup": _TEXT, "kind": _TEXT, "name": _TEXT, "namespace": _TEXT,
}}  # fmt: skip


def core(kind: str, plural: str, group: str = "", **properties: Any) -> Resource:
    schema = {"type": "object", "properties": properties}
    return Resource(group, "v1", plural, plural[:-1], kind, namespaced=True, schema=schema)


RBAC = "rbac.authorization.k8s.io"
SECRET = core("Secret", "secrets", type=_TEXT, immutable={"type": "boolean"}, data=_TEXTS)
CONFIG_MAP = core(
    "ConfigMap", "configmaps", data=_TEXTS, binaryData=_TEXTS, immutable={"type": "boolean"}
)
ROLE = core("Role", "roles", RBAC, rules=_RULES)
CLUSTER_ROLE = core("ClusterRole", "clusterroles", RBAC, rules=_RULES,
                    aggregationRule={"type": "object", "properties": {
                        "clusterRoleSelectors": {"type": "array", "items": _TEXTS}}})  # fmt: skip
BINDING = core("RoleBinding", "rolebindings", RBAC, roleRef=_REFERENCE,
               subjects={"type": "array", "items": _REFERENCE})  # fmt: skip
CLUSTER_BINDING = core("ClusterRoleBinding", "clusterrolebindings", RBAC, roleRef=_REFERENCE,
                       subjects={"type": "array", "items": _REFERENCE})  # fmt: skip
LEASE = core("Lease", "leases", "coordination.k8s.io", spec={"type": "object", "properties": {
    "holderIdentity": _TEXT, "leaseTransitions": {"type": "integer"},
    "leaseDurationSeconds": {"type": "integer", "format": "int32"}}})  # fmt: skip
REVISION = core("ControllerRevision", "controllerrevisions", "apps", data={"type": "object"})
NAMESPACE = core("Namespace", "namespaces")
FUNCTION = next(one for one in own_resources() if one.kind == "Function")


def an_object(resource: Resource, **fields: Any) -> Tree:
    metadata = {"name": "a", "namespace": "shop"} | fields.pop("metadata", {})
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata,
            **fields}  # fmt: skip


def a_function(**spec: Any) -> Tree:
    source = {"inline": {"source": "def main(e, c): return 1"}}
    return an_object(FUNCTION, spec={"runtime": "python313", "source": source, **spec})


def broken(resource: Resource, tree: Tree) -> set[tuple[str, str]]:
    found, _ = prune_and_default(resource, tree, strict=False)
    return {(cause.field, cause.reason.removeprefix("FieldValue"))
            for cause in violations(resource, found)}  # fmt: skip


def test_unknown_fields_are_pruned_and_named() -> None:
    tree = a_function(env=[{"name": "A", "colour": 1}], shape="round") | {"extra": 1}
    tree["metadata"]["mood"] = "good"

    found, unknown = prune_and_default(FUNCTION, tree, strict=False)

    assert unknown == ("extra", "metadata.mood", "spec.env[0].colour", "spec.shape")
    assert found["spec"]["env"] == [{"name": "A"}]
    assert "extra" not in found


def test_strict_refuses_every_unknown_field_in_one_answer() -> None:
    tree = a_function(shape="round", env=[{"name": "A", "colour": 1}])

    with pytest.raises(ApiError) as refused:
        prune_and_default(FUNCTION, tree, strict=True)

    assert (refused.value.status, refused.value.reason) == (400, "BadRequest")
    assert refused.value.message == (
        'Function in version "v1alpha2" cannot be handled as a Function: strict decoding error: '
        'unknown field "spec.env[0].colour", unknown field "spec.shape"'
    )


def test_what_a_schema_leaves_open_is_kept_and_embedded_objects_keep_their_type() -> None:
    schema = {"type": "object", "properties": {
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True,
                 "properties": {"known": {"type": "object", "properties": {}}}},
        "inner": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {}},
    }}  # fmt: skip
    kind = Resource("x", "v1", "ks", "k", "K", namespaced=True, schema=schema)
    tree = an_object(kind, free={"any": [{"x": None}], "known": {"odd": 1}},
                     inner={"kind": "Z", "metadata": {"name": "z", "odd": 1}, "spec": {}})  # fmt: skip

    found, unknown = prune_and_default(kind, tree, strict=False)

    assert unknown == ("free.known.odd", "inner.metadata.odd", "inner.spec")
    assert found["free"]["any"] == [{"x": None}]
    assert found["inner"]["kind"] == "Z"


def test_defaults_are_filled_in_where_something_stands_around_them() -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "default": 3}, "none": {"type": "string", "nullable": True},
        "inner": {"type": "object", "default": {}, "properties": {"x": {"default": 1}}},
    }}}}  # fmt: skip
    kind = Resource("x", "v1", "ks", "k", "K", namespaced=True, schema=schema)

    with_spec, _ = prune_and_default(
        kind, an_object(kind, spec={"size": None, "none": None}), strict=False
    )
    without, _ = prune_and_default(kind, an_object(kind), strict=False)

    assert with_spec["spec"] == {"size": 3, "inner": {"x": 1}, "none": None}
    assert "spec" not in without


def test_a_built_in_kind_is_written_as_go_writes_it() -> None:
    tree = an_object(
        CONFIG_MAP, data={"a": None}, binaryData={}, metadata={"labels": {}, "finalizers": []}
    )

    found, _ = prune_and_default(CONFIG_MAP, tree, strict=False)
    role, _ = prune_and_default(ROLE, an_object(ROLE), strict=False)

    assert found["data"] == {"a": ""}
    assert found["metadata"] == {"name": "a", "namespace": "shop"}
    assert "binaryData" not in found
    assert role["rules"] is None


@pytest.mark.parametrize(
    ("resource", "fields", "said"),
    [
        (CONFIG_MAP, {"data": {"a": 1}}, "data.a"),
        (CONFIG_MAP, {"data": []}, "data"),
        (SECRET, {"data": {"a": "!"}}, "illegal base64 data"),
        (SECRET, {"metadata": {"labels": {"a": 1}}}, "metadata.labels.a"),
        (SECRET, {"metadata": {"annotations": "x"}}, "metadata.annotations"),
        (FUNCTION, {"metadata": {"finalizers": {}}}, "metadata.finalizers"),
    ],
)
def test_what_kubernetes_could_not_decode_is_a_bad_request(
    resource: Resource, fields: Tree, said: str
) -> None:
    with pytest.raises(ApiError) as refused:
        prune_and_default(resource, an_object(resource, **fields), strict=False)

    assert refused.value.status == 400
    assert said in refused.value.message


def test_a_sound_function_breaks_nothing() -> None:
    found, unknown = prune_and_default(FUNCTION, a_function(), strict=True)

    assert (violations(FUNCTION, found), unknown) == ((), ())


def test_every_broken_rule_of_a_function_is_told_once() -> None:
    tree = a_function(
        runtime="cobol",
        replicas="two",
        env=[{"name": "FUNC_PORT", "value": "1"}, {"name": "A"}, {"name": "A"}],
        timeoutSeconds=-1,
    )
    tree["metadata"]["name"] = "1-digit-first"

    found, _ = prune_and_default(FUNCTION, tree, strict=False)
    causes = violations(FUNCTION, found)

    said = {cause.field: cause.message for cause in causes}
    assert len(said) == len(causes)
    assert said["spec.replicas"] == (
        'Invalid value: "string": spec.replicas in body must be of type integer: "string"'
    )
    assert said["spec.runtime"].startswith('Unsupported value: "cobol": supported values: "nodejs')
    assert said["spec.env[2]"] == 'Duplicate value: {"name":"A"}'
    assert said["spec.env"].startswith("Invalid value: reserved names cannot be used")
    assert said["spec.timeoutSeconds"].startswith("Invalid value: -1: ")
    assert said["metadata.name"].startswith('Invalid value: "1-digit-first": is not a valid name')


def test_a_missing_part_is_required_and_says_nothing_else() -> None:
    tree = a_function()
    del tree["spec"]["runtime"]

    found, _ = prune_and_default(FUNCTION, tree, strict=False)

    assert [one.wire() for one in violations(FUNCTION, found)] == [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.runtime"}
    ]


def test_a_cause_never_repeats_a_private_value() -> None:
    secret = "hunter2-very-secret"
    trees = [
        (FUNCTION, a_function(env=[{"name": "FUNC_TIMEOUT", "value": secret}])),
        (FUNCTION, a_function(source={"inline": {"source": secret, "dependencies": 1}})),
        (FUNCTION, a_function(source={"inline": secret})),
        (SECRET, an_object(SECRET, data={secret[:3] + "/": "YQ=="}, type="kubernetes.io/tls")),
    ]
    for resource, tree in trees:
        found, _ = prune_and_default(resource, tree, strict=False)
        causes = violations(resource, found)
        assert causes
        assert not any(secret in cause.message for cause in causes)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Upper"}, "name"),
        ({"name": "a" * 254}, "name"),
        ({"name": "a\n"}, "name"),
        ({"generateName": "Up-"}, "generateName"),
        ({"labels": {"a b": "c"}}, "labels"),
        ({"labels": {"a/b/c": "c"}}, "labels"),
        ({"labels": {"/b": "c"}}, "labels"),
        ({"labels": {"a/": "c"}}, "labels"),
        ({"labels": {"a": "c" * 64}}, "labels"),
        ({"labels": {"a": "-"}}, "labels"),
        ({"labels": {"a" * 64: "c"}}, "labels"),
        ({"annotations": {"a b": "c"}}, "annotations"),
        ({"annotations": {"a": "c" * (256 * 1024)}}, "annotations"),
        ({"finalizers": ["a b"]}, "finalizers"),
        ({"finalizers": ["orphan", "foregroundDeletion"]}, "finalizers"),
        ({"ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n"}]},
         "ownerReferences[0].uid"),
        ({"ownerReferences": [{"kind": "K", "name": "n", "uid": "u"}]},
         "ownerReferences[0].apiVersion"),
        ({"ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "n", "uid": "u"}]},
         "ownerReferences[0]"),
        ({"ownerReferences": [
            {"apiVersion": "v1", "kind": "K", "name": n, "uid": n, "controller": True}
            for n in "ab"
        ]}, "ownerReferences"),
    ],
)  # fmt: skip
def test_metadata_that_kubernetes_refuses_is_refused(metadata: Tree, field: str) -> None:
    found = broken(CONFIG_MAP, an_object(CONFIG_MAP, metadata=metadata))

    assert {name for name, _ in found} == {f"metadata.{field}"}


def test_metadata_that_kubernetes_takes_is_taken() -> None:
    metadata = {
        "name": "a.b-c", "generateName": "a-", "finalizers": ["x.org/y", "orphan"],
        "labels": {"x.org/A_b.c": "", "k": "V.1_2-3"}, "annotations": {"X.org/A": "any thing"},
        "ownerReferences": [{"apiVersion": "a/v1", "kind": "K", "name": "n", "uid": "u"}],
    }  # fmt: skip

    assert broken(CONFIG_MAP, an_object(CONFIG_MAP, metadata=metadata)) == set()


@pytest.mark.parametrize(
    ("resource", "name", "sound"),
    [
        (NAMESPACE, "a.b", False), (NAMESPACE, "a" * 64, False), (NAMESPACE, "a-b", True),
        (ROLE, "system:x", True), (ROLE, "a/b", False), (ROLE, "a%b", False), (ROLE, "..", False),
    ],
)  # fmt: skip
def test_a_kind_has_its_own_rule_of_names(resource: Resource, name: str, *, sound: bool) -> None:
    found = broken(resource, an_object(resource, metadata={"name": name}))

    assert found == (set() if sound else {("metadata.name", "Invalid")})


_LARGE = "a" * (1024 * 1024 + 1)
_GOOD_ROLE = {"apiGroup": RBAC, "kind": "Role", "name": "r"}


@pytest.mark.parametrize(
    ("resource", "fields", "expected"),
    [
        (SECRET, {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
         {("data[tls.key]", "Required")}),
        (SECRET, {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}},
         {("data[.dockerconfigjson]", "Invalid")}),
        (SECRET, {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "ew=="}},
         {("data[.dockercfg]", "Invalid")}),
        (SECRET, {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}}, set()),
        (SECRET, {"type": "kubernetes.io/basic-auth"},
         {("data[username]", "Required"), ("data[password]", "Required")}),
        (SECRET, {"type": "kubernetes.io/service-account-token"},
         {("metadata.annotations[kubernetes.io/service-account.name]", "Required")}),
        (SECRET, {"data": {"..": "", ".": "", "..a": "", "a" * 254: ""}},
         {("data[..]", "Invalid"), ("data[.]", "Invalid"), ("data[..a]", "Invalid"),
          (f"data[{'a' * 254}]", "Invalid")}),
        (SECRET, {"data": {"a": "YWFh" * (350 * 1024)}}, {("data", "TooLong")}),
        (CONFIG_MAP, {"data": {"a": _LARGE}}, {("", "TooLong")}),
        (CONFIG_MAP, {"data": {"a": ""}, "binaryData": {"a": ""}}, {("data[a]", "Invalid")}),
        (ROLE, {"rules": [{"verbs": ["get"]}]},
         {("rules[0].apiGroups", "Required"), ("rules[0].resources", "Required")}),
        (ROLE, {"rules": [{"nonResourceURLs": ["/x"], "verbs": []}]},
         {("rules[0].nonResourceURLs", "Invalid"), ("rules[0].verbs", "Required")}),
        (CLUSTER_ROLE, {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]}, set()),
        (CLUSTER_ROLE, {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"],
                                   "resources": ["pods"]}]},
         {("rules[0].nonResourceURLs", "Invalid")}),
        (CLUSTER_ROLE, {"aggregationRule": {}},
         {("aggregationRule.clusterRoleSelectors", "Required")}),
        (BINDING, {"roleRef": {"apiGroup": "x", "kind": "K"}},
         {("roleRef.apiGroup", "NotSupported"), ("roleRef.kind", "NotSupported"),
          ("roleRef.name", "Required")}),
        (BINDING, {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]}, set()),
        (BINDING, {"roleRef": _GOOD_ROLE, "subjects": [
            {"kind": "User", "name": "u", "apiGroup": "x"}, {"kind": "Robot", "name": "r"},
            {"kind": "ServiceAccount", "apiGroup": "x"}]},
         {("subjects[0].apiGroup", "NotSupported"), ("subjects[1].kind", "NotSupported"),
          ("subjects[2].name", "Required"), ("subjects[2].apiGroup", "NotSupported")}),
        (CLUSTER_BINDING, {"roleRef": _GOOD_ROLE,
                           "subjects": [{"kind": "ServiceAccount", "name": "s"}]},
         {("roleRef.kind", "NotSupported"), ("subjects[0].namespace", "Required")}),
        (LEASE, {"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1,
                          "holderIdentity": ""}},
         {("spec.leaseDurationSeconds", "Invalid"), ("spec.leaseTransitions", "Invalid"),
          ("spec.holderIdentity", "Invalid")}),
        (LEASE, {"spec": {"leaseDurationSeconds": 2**31}},
         {("spec.leaseDurationSeconds", "Invalid")}),
    ],
)  # fmt: skip
def test_the_rules_of_a_built_in_kind(
    resource: Resource, fields: Tree, expected: set[tuple[str, str]]
) -> None:
    assert broken(resource, an_object(resource, **fields)) == expected


@pytest.mark.parametrize(
    ("resource", "old", "new", "expected"),
    [
        (SECRET, {"type": "a"}, {"type": "b"}, {"type"}),
        (SECRET, {"type": "a", "immutable": True, "data": {"x": "YQ=="}},
         {"type": "a", "data": {}}, {"immutable", "data"}),
        (CONFIG_MAP, {"immutable": True, "data": {"x": "1"}},
         {"immutable": True, "data": {"x": "1"}, "binaryData": {"y": "YQ=="}}, {"binaryData"}),
        (CONFIG_MAP, {"data": {"x": "1"}}, {"immutable": True}, set()),
        (BINDING, {"roleRef": _GOOD_ROLE}, {"roleRef": {**_GOOD_ROLE, "name": "s"}}, {"roleRef"}),
        (REVISION, {"data": {"a": 1}}, {"data": {"a": True}}, {"data"}),
        (ROLE, {"rules": None}, {"rules": []}, set()),
        (ROLE, {"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}},
         {"metadata": {"finalizers": ["a/b", "c/d"]}}, {"metadata.finalizers"}),
        (ROLE, {"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}},
         {"metadata": {}}, set()),
    ],
)  # fmt: skip
def test_what_may_not_change_does_not(
    resource: Resource, old: Tree, new: Tree, expected: set[str]
) -> None:
    causes = update_violations(resource, an_object(resource, **old), an_object(resource, **new))

    assert {cause.field for cause in causes} == expected


_SPEC: Tree = {"type": "object", "properties": {
    "text": {"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^[a-z]+$"},
    "number": {"type": "number", "minimum": 1, "maximum": 2},
    "port": {"x-kubernetes-int-or-string": True},
    "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
            "items": {"type": "object", "properties": {"n": {"type": "string"}}}},
    "word": {"type": "string", "enum": ["a", "b"], "nullable": True},
}}  # fmt: skip
THING = Resource(
    "x.org", "v1", "things", "thing", "Thing", namespaced=True,
    schema={"type": "object", "properties": {"spec": _SPEC}}, model=FUNCTION.model,
)  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "reason", "message"),
    [
        ("text", "a", "Invalid", 'Invalid value: "a": spec.text in body should be at least 2 chars long'),
        ("text", "abcd", "TooLong", "Too long: may not be more than 3 bytes"),
        ("text", "ab\n", "Invalid", "Invalid value: \"ab\\n\": spec.text in body should match '^[a-z]+$'"),
        ("text", True, "TypeInvalid", 'Invalid value: "boolean": spec.text in body must be of type string: "boolean"'),
        ("number", 0, "Invalid", "Invalid value: 0: spec.number in body should be greater than or equal to 1"),
        ("number", 2.5, "Invalid", "Invalid value: 2.5: spec.number in body should be less than or equal to 2"),
        ("port", 1.5, "TypeInvalid", 'Invalid value: "number": spec.port in body must be of type integer,string: "number"'),
        ("list", [], "Invalid", "Invalid value: 0: spec.list in body should have at least 1 items"),
        ("list", [1, 2, 3], "TooMany", "Too many: 3: must have at most 2 items"),
        ("list[0]", [None], "TypeInvalid", 'Invalid value: "null": spec.list[0] in body must be of type integer: "null"'),
        ("set[1]", ["a", "a"], "Duplicate", 'Duplicate value: "a"'),
        ("map[1]", [{"n": "a"}, {"n": "a"}], "Duplicate", 'Duplicate value: {"n":"a"}'),
        ("word", "c", "NotSupported", 'Unsupported value: "c": supported values: "a", "b"'),
    ],
)  # fmt: skip
def test_a_schema_is_told_broken_in_kubernetes_words(
    field: str, value: Any, reason: str, message: str
) -> None:
    name = field.partition("[")[0]

    causes = violations(THING, an_object(THING, spec={name: value}))

    assert (f"FieldValue{reason}", message, f"spec.{field}") in {
        (cause.reason, cause.message, cause.field) for cause in causes
    }
