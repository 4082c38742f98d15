"""What is served, checked against what Kubernetes 1.36 publishes about the same kinds."""

import pytest

from casemate.api.crd import KINDS
from casemate.apiserver.core_schemas import definitions, structural
from casemate.apiserver.kinds import resources_by_key, resources_by_kind, served_resources
from casemate.apiserver.resource import ALL_VERBS, READ_VERBS

SERVED = served_resources()


def test_every_kind_is_served_once_and_found_by_its_key():
    assert len(resources_by_key()) == len(resources_by_kind()) == len(SERVED)
    assert resources_by_key()["", "v1", "secrets"].kind == "Secret"


def test_what_holds_source_or_secrets_is_encrypted_at_rest():
    encrypted = {one.kind for one in SERVED if one.encrypted}

    assert encrypted == {"Secret", "FunctionSource", "ControllerRevision"}


def test_pods_are_a_view_and_reviews_are_questions():
    assert resources_by_kind()["Pod"].verbs == READ_VERBS
    assert {one.kind for one in SERVED if one.verbs == ("create",)} == {
        one.kind for one in SERVED if one.kind.endswith("Review")
    }
    assert all(one.stored is (one.kind != "Pod" and "Review" not in one.kind) for one in SERVED)


def test_our_kinds_are_those_of_the_definitions():
    ours = {one.kind: one for one in SERVED if one.model is not None}

    assert set(ours) == {kind.singular for kind in KINDS}
    function = ours["Function"]
    assert function.short_names == ("fn", "fns")
    assert function.categories == ("all",)
    assert set(function.subresources) == {"status", "scale", "invoke", "posture"}
    assert function.verbs == ALL_VERBS
    assert not ours["FunctionPolicy"].namespaced


@pytest.mark.parametrize(
    ("kind", "short"),
    [("Pod", "po"), ("ConfigMap", "cm"), ("Namespace", "ns"), ("ServiceAccount", "sa"),
     ("Event", "ev")],
)  # fmt: skip
def test_core_kinds_have_kubernetes_short_names(kind, short):
    assert resources_by_kind()[kind].short_names == (short,)


def test_every_core_schema_is_kubernetes_own():
    for resource in SERVED:
        if resource.model is not None:
            continue
        published = [
            name
            for name, one in definitions().items()
            for gvk in one.get("x-kubernetes-group-version-kind", ())
            if gvk == {"group": resource.group, "version": resource.version, "kind": resource.kind}
        ]
        assert len(published) == 1, resource
        fields = set(definitions()[published[0]]["properties"])
        assert set(resource.schema["properties"]) == fields


def _nodes(schema):
    yield schema
    for child in schema.get("properties", {}).values():
        yield from _nodes(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key])


@pytest.mark.parametrize("resource", SERVED, ids=lambda one: one.kind)
def test_a_schema_is_structural(resource):
    assert resource.schema["properties"]["metadata"] == {"type": "object"}
    for node in _nodes(resource.schema):
        assert not {"$ref", "allOf", "oneOf"} & set(node)
        assert "type" in node or node.get("x-kubernetes-int-or-string"), node
        # Our own defaults may be zero; those of Kubernetes would only be how Go writes "absent".
        assert resource.model or node.get("default") not in ("", {}, 0)


def test_a_map_list_keeps_its_keys_and_a_quantity_is_a_number_or_text():
    pod = structural("io.k8s.api.core.v1.Pod")
    container = pod["properties"]["spec"]["properties"]["containers"]

    assert container["x-kubernetes-list-map-keys"] == ["name"]
    assert container["x-kubernetes-patch-merge-key"] == "name"
    limits = container["items"]["properties"]["resources"]["properties"]["limits"]
    assert limits["additionalProperties"]["x-kubernetes-int-or-string"]
    revision = structural("io.k8s.api.apps.v1.ControllerRevision")
    assert revision["properties"]["data"]["x-kubernetes-preserve-unknown-fields"]
