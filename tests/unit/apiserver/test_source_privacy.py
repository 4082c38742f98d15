"""Without `get functionsources` a Function shows no code, in no form and by no trick."""

from __future__ import annotations

import json

import pytest

from casemate.apiserver.access.attributes import User
from casemate.apiserver.access.rbac import Authorizer
from casemate.apiserver.admission import AdmissionRequest
from casemate.apiserver.call import Call
from casemate.apiserver.kinds import resources_by_kind
from casemate.apiserver.request_path import parse_request_path
from casemate.apiserver.source_privacy import LAST_APPLIED, SourcePrivacy
from casemate.apiserver.status_error import ApiError

CODE = "def main(event, context): return 'the-code'"
BASE = "/apis/serverless.kyma-project.io/v1alpha2"
FUNCTIONS = resources_by_kind()["Function"]


def privacy(*namespaces):
    """Alice may read sources in these namespaces, `*` is everywhere."""
    rule = {"verbs": ["get"], "apiGroups": ["casemate.dev"], "resources": ["functionsources"]}
    bindings = [
        {
            "metadata": {"name": "b"} | ({"namespace": one} if one != "*" else {}),
            "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": "alice"}],
        }
        for one in namespaces
    ]
    authorizer = Authorizer()
    authorizer.replace([], [{"metadata": {"name": "r"}, "rules": [rule]}], bindings, [])
    return SourcePrivacy(authorizer)


def a_function(namespace="shop", code=CODE, **annotations):
    return {
        "metadata": {
            "name": "f", "namespace": namespace,
            "annotations": {LAST_APPLIED: json.dumps({"spec": CODE}), "team": "blue"} | annotations,
        },
        "spec": {"runtime": "python312", "source": {"inline": {"source": code, "dependencies": "requests"}}},
        "status": {"runtime": "python312"},
    }  # fmt: skip


def a_call(method="GET", path=f"{BASE}/namespaces/shop/functions/f", body=b"", content=""):
    headers = {"content-type": content} if content else {}
    return Call(parse_request_path(method, path, {}), {}, headers, User("alice"), body)


def a_write(old, new):
    return AdmissionRequest("update", FUNCTIONS, "shop", "f", "", User("alice"), new, old)


def test_who_may_read_sources_sees_the_object_as_it_is():
    assert privacy("shop").view(a_call(), FUNCTIONS) is None
    assert privacy("*").view(a_call(path=f"{BASE}/functions"), FUNCTIONS) is None


def test_everybody_else_sees_all_but_the_code():
    view = privacy("bank").view(a_call(), FUNCTIONS)
    assert view is not None

    seen = view(a_function())

    assert "the-code" not in json.dumps(seen)
    assert "requests" not in json.dumps(seen)
    assert seen == {
        "metadata": {"name": "f", "namespace": "shop", "annotations": {"team": "blue"}},
        "spec": {"runtime": "python312", "source": {}},
        "status": {"runtime": "python312"},
    }


def test_the_copy_of_the_manifest_that_kubectl_keeps_is_hidden_too():
    view = privacy().view(a_call(), FUNCTIONS)
    assert view is not None
    function = a_function()
    del function["metadata"]["annotations"]["team"]

    assert "annotations" not in view(function)["metadata"]


def test_where_a_git_source_lies_stays_visible():
    view = privacy().view(a_call(), FUNCTIONS)
    assert view is not None
    function = a_function()
    function["spec"]["source"] = {"gitRepository": {"url": "https://git.example/x"}}

    assert view(function)["spec"]["source"] == function["spec"]["source"]


def test_a_list_over_namespaces_shows_code_only_where_it_may_be_read():
    view = privacy("shop").view(a_call(path=f"{BASE}/functions"), FUNCTIONS)
    assert view is not None

    assert "the-code" in json.dumps(view(a_function("shop")))
    assert "the-code" not in json.dumps(view(a_function("bank")))


def test_other_kinds_are_shown_as_they_are():
    assert privacy().view(a_call(), resources_by_kind()["ConfigMap"]) is None


@pytest.mark.parametrize("code", ["", "def main(event, context): return 'mine'"])
def test_who_does_not_see_the_source_cannot_change_or_drop_it(code):
    old, new = a_function(), a_function(code=code)
    if not code:
        new["spec"]["source"] = {}

    with pytest.raises(ApiError) as refused:
        privacy()(a_write(old, new))

    assert refused.value.status == 403
    assert 'cannot get resource "functionsources"' in refused.value.message
    privacy("shop")(a_write(old, new))


def test_what_leaves_the_source_alone_may_be_written():
    changed = a_function(colour="red")

    privacy()(a_write(a_function(), changed))
    privacy()(a_write(None, a_function()))
    privacy()(a_write(a_function(), None))


@pytest.mark.parametrize(
    "step",
    [
        {"op": "copy", "from": "/spec/source/inline/source", "path": "/metadata/annotations/x"},
        {"op": "move", "from": "/spec/source", "path": "/spec/x"},
        {"op": "copy", "from": "/spec", "path": "/metadata/annotations/x"},
        {"op": "copy", "from": "", "path": "/metadata/annotations/x"},
        {"op": "copy", "from": "/metadata/annotations", "path": "/metadata/labels"},
        {"op": "test", "path": "/spec/source/inline/source", "value": CODE},
        {"op": "test", "path": "/spec/source/", "value": CODE},
        {"op": "copy", "from": "/spec~0source", "path": "/x"},
        {
            "op": "copy",
            "from": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
            "path": "/x",
        },
    ],
)
def test_a_patch_that_reads_the_source_for_its_author_is_refused(step):
    call = a_call("PATCH", body=json.dumps([step]).encode(), content="application/json-patch+json")

    if step.get("from") == "/spec~0source":
        # Another field altogether: "spec~source".
        privacy().check_patch(call)
        return
    with pytest.raises(ApiError) as refused:
        privacy().check_patch(call)
    assert refused.value.status == 403
    privacy("shop").check_patch(call)


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ("application/json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 2}]),
        ("application/json-patch+json", [{"op": "test", "path": "/spec/sourcerer", "value": 2}]),
        ("application/json-patch+json", ["no step"]),
        ("application/json-patch+json", {"no": "list"}),
        ("application/merge-patch+json", {"spec": {"replicas": 2}}),
    ],
)
def test_other_patches_go_on(content, body):
    privacy().check_patch(a_call("PATCH", body=json.dumps(body).encode(), content=content))


def test_patches_of_other_kinds_go_on():
    step = [{"op": "copy", "from": "/spec", "path": "/x"}]
    call = a_call("PATCH", "/api/v1/namespaces/shop/configmaps/f", json.dumps(step).encode(),
                  "application/json-patch+json")  # fmt: skip

    privacy().check_patch(call)
