from __future__ import annotations

import pytest

from casemate.api import workload
from casemate.node.enforcement import Enforcement
from casemate.node.pod_refusals import FIELDS
from casemate.node.sandbox_plan import EnforcementMissing, PlanRefused, expanded, plan_sandbox
from casemate.node.sandbox_steps import SealTree, Tmpfs
from support.sandboxes import EVERYTHING, PYTHON, a_plan, a_template, inputs

SAFE = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
POD = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
REFUSED = {
    "host network": ({"hostNetwork": True}, "spec.hostNetwork"),
    "host pids": ({"hostPID": True}, "spec.hostPID"),
    "host ipc": ({"hostIPC": True}, "spec.hostIPC"),
    "token": ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    "restart policy": ({"restartPolicy": "Never"}, "spec.restartPolicy"),
    "privileged": ({"container": {"securityContext": {**SAFE, "privileged": True}}}, "privileged"),
    "capability": (
        {"container": {"securityContext": {**SAFE, "capabilities": {"add": ["NET_RAW"]}}}},
        "NET_RAW cannot be given",
    ),
    "nothing dropped": (
        {"container": {"securityContext": {**SAFE, "capabilities": {}}}},
        "capabilities.drop",
    ),
    "escalation unsaid": (
        {"container": {"securityContext": {**SAFE, "allowPrivilegeEscalation": None}}},
        "allowPrivilegeEscalation",
    ),
    "writable root": (
        {"container": {"securityContext": {**SAFE, "readOnlyRootFilesystem": None}}},
        "readOnlyRootFilesystem",
    ),
    "unmasked proc": (
        {"container": {"securityContext": {**SAFE, "procMount": "Unmasked"}}},
        "procMount",
    ),
    "root": ({"securityContext": {**POD, "runAsUser": 0}}, "runAsUser: 0"),
    "no user": ({"securityContext": {**POD, "runAsUser": None}}, "runAsUser: must be set"),
    "root group": ({"securityContext": {**POD, "runAsGroup": 0}}, "runAsGroup: 0"),
    "other group": ({"securityContext": {**POD, "fsGroup": 2000}}, "2000 differ"),
    "root allowed": ({"securityContext": {**POD, "runAsNonRoot": False}}, "runAsNonRoot"),
    "no seccomp": ({"securityContext": {**POD, "seccompProfile": None}}, "seccompProfile"),
    "unconfined": (
        {"securityContext": {**POD, "seccompProfile": {"type": "Unconfined"}}},
        "Unconfined needs a policy",
    ),
    "localhost": (
        {
            "securityContext": {
                **POD,
                "seccompProfile": {"type": "Localhost", "localhostProfile": "mine"},
            }
        },
        "'mine' needs a policy",
    ),
    "no size": ({"volumes": [{"name": "tmp", "emptyDir": {}}]}, "emptyDir.sizeLimit"),
    "unknown volume": ({"volumes": []}, "no such volume"),
    "no limits": ({"container": {"resources": {}}}, "limits.memory is missing"),
    "unknown resource": (
        {"container": {"resources": {"limits": {"cpu": "1", "memory": "64Mi", "gpu": "1"}}}},
        "limits.gpu",
    ),
    "udp": (
        {"container": {"ports": [{"name": "d", "containerPort": 53, "protocol": "UDP"}]}},
        "UDP port d",
    ),
    "value not found": (
        {
            "container": {
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
            }
        },
        "value of A was not found",
    ),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_sandbox_cannot_give_is_refused_by_name(changes, words):
    with pytest.raises(PlanRefused) as refusal:
        plan_sandbox(a_template(**changes), inputs())

    assert any(words in reason for reason in refusal.value.reasons), refusal.value.reasons


def test_all_reasons_come_in_one_answer():
    with pytest.raises(PlanRefused) as refusal:
        plan_sandbox(a_template(hostNetwork=True, hostPID=True, volumes=[]), inputs())

    assert len(refusal.value.reasons) == 3


@pytest.mark.parametrize(
    "path", ["/", "/proc/x", "/dev", "/sys/x", "relative", "/a/../b", "/usr/lib/x", "/bin"]
)
def test_a_mount_cannot_cover_what_belongs_to_the_sandbox(path):
    mounts = [{"name": "tmp", "mountPath": path}]

    with pytest.raises(PlanRefused, match="mount path"):
        plan_sandbox(a_template(container={"volumeMounts": mounts}), inputs())


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_every_field_of_the_template_has_somebody_who_honours_it(kind):
    assert set(FIELDS[kind]) == set(getattr(workload, kind).model_fields)


def test_equal_inputs_give_equal_plans_and_the_root_is_sealed_last():
    plan = a_plan("pass")

    assert plan == a_plan("pass")
    assert plan.mounts[-1] == SealTree("/")
    assert [one.target for one in plan.mounts if isinstance(one, Tmpfs) and one.writable] == [
        "/dev",
        "/tmp",
    ]


def test_an_interpreters_name_becomes_its_path_and_the_nodes_descriptors_cannot_be_moved():
    env = [{"name": "CASEMATE_LISTEN_FD", "value": "9"}, {"name": "A", "value": "$(HOME)/x"}]

    plan = a_plan("pass", container={"env": env})

    assert plan.argv[0] == PYTHON
    assert dict(plan.environment)["CASEMATE_LISTEN_FD"] == "3"
    assert dict(plan.environment)["A"] == "/tmp/x"


@pytest.mark.parametrize(
    ("text", "result"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A", "$A"), ("$(A)$(A)", "11")],
)
def test_references_expand_as_kubernetes_does(text, result):
    assert expanded(text, {"A": "1"}) == result


def test_what_is_not_enforced_is_in_the_plan_and_strict_refuses_it():
    weak = Enforcement(bounded=frozenset(), separate_users=False)

    plan = a_plan("pass", inputs={"enforcement": weak})

    assert [gap.resource.value for gap in plan.gaps] == ["cpu", "memory", "processes", "identity"]
    assert all(gap.remedy and gap.consequence for gap in plan.gaps)
    with pytest.raises(EnforcementMissing, match="cpu, memory, processes, identity"):
        a_plan("pass", inputs={"enforcement": weak, "strict": True})
    assert a_plan("pass", inputs={"enforcement": EVERYTHING, "strict": True}).gaps == ()
