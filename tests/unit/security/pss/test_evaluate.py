import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.security.pss.evaluate import evaluate_documents, evaluate_object, evaluate_pod
from casemate.security.pss.levels import LATEST, Level, PolicyVersion, UnknownPolicy
from casemate.security.pss.read_pod import CONTAINER_LISTS
from support.pods import a_container, a_container_with, a_pod, a_workload

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
# Field names of Pods, so that arbitrary values land where the evaluator looks.
FIELDS = st.sampled_from([
    "metadata", "annotations", "spec", "template", "jobTemplate", "containers", "initContainers",
    "ephemeralContainers", "securityContext", "capabilities", "add", "drop", "seccompProfile",
    "appArmorProfile", "type", "seLinuxOptions", "windowsOptions", "hostProcess", "sysctls", "name",
    "volumes", "hostPath", "emptyDir", "ports", "hostPort", "lifecycle", "postStart", "httpGet",
    "livenessProbe", "host", "os", "hostUsers", "hostNetwork", "runAsUser", "runAsNonRoot", "items",
])  # fmt: skip
PODLIKE = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=30,
)
KINDS = st.sampled_from(["Pod", "Deployment", "CronJob", "Service", "List", "PodList", "x"])
VERSIONS = st.builds(PolicyVersion, st.integers(0, LATEST.minor))


def rules(violations):
    return [violation.rule for violation in violations]


@settings(max_examples=300, deadline=None)
@given(PODLIKE, st.sampled_from(Level), VERSIONS)
def test_arbitrary_json_is_judged_and_never_raises(pod, level, version):
    violations = evaluate_pod(pod, level, version)

    assert bool(violations) == (level is not Level.PRIVILEGED) or isinstance(pod, dict)


@settings(max_examples=300, deadline=None)
@given(PODLIKE, KINDS, st.sampled_from(["v1", "apps/v1", "batch/v1", ""]))
def test_arbitrary_objects_are_judged_and_never_raise(body, kind, api_version):
    document = {"apiVersion": api_version, "kind": kind}
    document |= body if isinstance(body, dict) else {"spec": body}

    answers = evaluate_documents([("x.yaml", document)], "restricted", "latest")

    for answer in answers:
        assert answer["allowed"] == (not answer["violations"])


def test_restricted_pod_is_allowed_at_every_level():
    for level in Level:
        assert evaluate_pod(a_pod(), level, LATEST) == ()


@pytest.mark.parametrize("pod", [None, [], "Pod", 3])
def test_pod_that_is_no_object_is_refused_except_at_privileged(pod):
    assert rules(evaluate_pod(pod, Level.BASELINE, LATEST)) == ["malformed"]
    assert evaluate_pod(pod, Level.PRIVILEGED, LATEST) == ()


@pytest.mark.parametrize("containers", CONTAINER_LISTS)
def test_no_kind_of_container_escapes_the_rules(containers):
    pod = a_pod(**{containers: [a_container_with("bad", privileged=True)]})

    violations = evaluate_pod(pod, Level.BASELINE, LATEST)

    assert rules(violations) == ["privileged"]
    assert '"bad"' in violations[0].detail


def test_malformed_field_is_refused_and_the_rest_still_judged():
    pod = a_pod(hostNetwork="yes", hostPID=True)

    violations = evaluate_pod(pod, Level.BASELINE, LATEST)

    assert rules(violations) == ["malformed", "hostNamespaces"]
    assert violations[0].detail == "spec.hostNetwork is text, expected true or false"


def test_flood_of_problems_is_counted():
    pod = a_pod(containers=[3] * 1000)

    violations = evaluate_pod(pod, Level.BASELINE, LATEST)

    assert violations[0].detail.endswith("and 988 more")


@pytest.mark.parametrize(
    ("api_version", "kind", "path"),
    [
        ("v1", "Pod", ()),
        ("v1", "PodTemplate", ("template",)),
        ("v1", "ReplicationController", ("spec", "template")),
        ("apps/v1", "Deployment", ("spec", "template")),
        ("apps/v1", "ReplicaSet", ("spec", "template")),
        ("apps/v1", "DaemonSet", ("spec", "template")),
        ("apps/v1", "StatefulSet", ("spec", "template")),
        ("batch/v1", "Job", ("spec", "template")),
        ("batch/v1beta1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
    ],
)
def test_every_workload_is_judged_by_its_template(api_version, kind, path):
    workload = a_workload(api_version, kind, *path)

    evaluation = evaluate_object(workload, Level.BASELINE, LATEST)

    assert (evaluation.kind, evaluation.name) == (kind, "hello")
    assert rules(evaluation.violations) == ["privileged"]


def test_workload_without_template_is_refused():
    bare = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {}}

    evaluation = evaluate_object(bare, Level.BASELINE, LATEST)

    assert rules(evaluation.violations) == ["malformed"]
    assert evaluation.violations[0].detail == "spec.template.spec.containers is missing or empty"


def test_object_without_pods_is_allowed_unless_its_shape_is_wrong():
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}

    assert evaluate_object(service, Level.RESTRICTED, LATEST).allowed
    service["metadata"] = "x"
    assert rules(evaluate_object(service, Level.RESTRICTED, LATEST).violations) == ["malformed"]


def test_unknown_kind_is_refused_except_at_privileged():
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": 3}

    refused = evaluate_object(rollout, Level.BASELINE, LATEST)

    assert rules(refused.violations) == ["unknownKind", "malformed"]
    assert evaluate_object(rollout, Level.PRIVILEGED, LATEST).allowed


def test_documents_are_answered_in_order_one_answer_an_object():
    bad = a_pod(hostIPC=True)
    both = {"apiVersion": "v1", "kind": "List", "items": [a_pod(), bad]}

    answers = evaluate_documents(
        [("a.yaml", a_pod()), ("b.yaml", None), ("c.yaml", both)], "baseline", "v1.30"
    )

    allowed = {"kind": "Pod", "name": "hello", "allowed": True, "violations": []}
    assert answers == [
        {"file": "a.yaml", **allowed},
        {"file": "c.yaml", **allowed},
        {
            "file": "c.yaml",
            "kind": "Pod",
            "name": "hello",
            "allowed": False,
            "violations": [
                {
                    "rule": "hostNamespaces",
                    "reason": "namespaces of the host",
                    "detail": "pod: set spec.hostIPC to false, or leave out",
                }
            ],
        },
    ]


def test_unknown_level_or_version_is_refused_before_anything_is_judged():
    with pytest.raises(UnknownPolicy):
        evaluate_documents([], "strict", "latest")
    with pytest.raises(UnknownPolicy):
        evaluate_documents([], "restricted", "v1.99")


def test_container_without_name_is_told_by_its_place():
    pod = a_pod(containers=[a_container(""), a_container_with("", privileged=True)])

    violations = evaluate_pod(pod, Level.BASELINE, LATEST)

    assert violations[0].detail.startswith("unnamed spec.containers[1]: ")
