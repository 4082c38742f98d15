import pytest

from casemate.security.pss.extract import POD_PATHS, PODLESS, extract_pod, flatten


@pytest.mark.parametrize("document", [None, 3, "text", [], [{}]])
def test_document_that_is_no_object_is_a_problem(document):
    extracted = extract_pod(document)

    assert extracted.pod is None
    assert extracted.problems[0].startswith("the document is ")


@pytest.mark.parametrize(("group", "kind"), POD_PATHS)
def test_pod_is_found_where_its_kind_keeps_it(group, kind):
    document = {"metadata": {"name": "pod"}, "spec": {"mark": 1}}
    for key in reversed(POD_PATHS[group, kind]):
        document = {key: document}
    document |= {"apiVersion": f"{group}/v1".lstrip("/"), "kind": kind}

    extracted = extract_pod(document)

    assert extracted.kind == kind
    assert extracted.pod.child("spec").value == {"mark": 1}
    assert extracted.pod.child("spec").path == ".".join((*POD_PATHS[group, kind], "spec"))


@pytest.mark.parametrize(
    ("group", "kind"), [(g, kind) for g, kinds in PODLESS.items() for kind in kinds]
)
def test_kind_without_pods_is_known_as_such(group, kind):
    document = {"apiVersion": f"{group}/v1".lstrip("/"), "kind": kind, "metadata": {"name": "x"}}

    extracted = extract_pod(document)

    assert extracted == type(extracted)(kind, "x")


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "pod"),
        ("v1", "Deployment"),
        ("apps/v1", "Pod"),
        ("argoproj.io/v1alpha1", "Rollout"),
        ("serverless.kyma-project.io/v1alpha2", "Function"),
        (None, "Pod "),
        (7, ["Pod"]),
    ],
)
def test_unknown_kind_is_not_taken_for_one_without_pods(api_version, kind):
    extracted = extract_pod({"apiVersion": api_version, "kind": kind})

    assert extracted.pod is None
    assert extracted.unknown


def test_generated_name_stands_in_for_the_name():
    named = extract_pod({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "job-"}})

    assert named.name == "job-"


def test_list_is_taken_apart_and_items_of_one_kind_inherit_it():
    one = {"apiVersion": "v1", "kind": "Pod"}
    bare = {"metadata": {"name": "bare"}}

    assert list(flatten({"apiVersion": "v1", "kind": "List", "items": [one, bare]})) == [one, bare]
    assert list(flatten({"apiVersion": "v1", "kind": "PodList", "items": [bare, one, 3]})) == [
        {"kind": "Pod", "apiVersion": "v1", **bare}, one, 3,
    ]  # fmt: skip
    assert list(flatten({"kind": "PodList", "items": [bare]})) == [{"kind": "Pod", **bare}]


@pytest.mark.parametrize(
    "document",
    [None, 3, {"kind": "Pod"}, {"kind": "List"}, {"kind": "List", "items": {}}, {"kind": 1}],
)
def test_anything_else_comes_out_as_it_is(document):
    assert list(flatten(document)) == [document]


def test_list_that_holds_itself_ends():
    endless = {"apiVersion": "v1", "kind": "List", "items": []}
    endless["items"].append(endless)

    flat = list(flatten(endless))

    assert len(flat) == 1
    assert extract_pod(flat[0]).unknown == 'apiVersion "v1", kind "List"'
