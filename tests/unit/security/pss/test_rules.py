"""What each rule says, word for word; which Pods it refuses is told by tests/conformance/pss."""

import pytest

from casemate.security.pss.evaluate import evaluate_pod
from casemate.security.pss.levels import LATEST, Level, PolicyVersion
from support.pods import a_container, a_container_with, a_pod

APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/function"
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_OF = "container.seccomp.security.alpha.kubernetes.io/"
TO_DEFAULT_OR_LOCAL = 'to "RuntimeDefault" or "Localhost"'


def a_pod_with(*, pod_context=None, **context):
    return a_pod(securityContext=pod_context, containers=[a_container_with(**context)])


CASES = {
    "allowPrivilegeEscalation": (
        Level.RESTRICTED,
        37,
        a_pod(
            containers=[
                a_container_with("a", allowPrivilegeEscalation=None),
                a_container("b"),
                a_container_with("c", allowPrivilegeEscalation=True),
            ]
        ),
        'container "a", container "c": set securityContext.allowPrivilegeEscalation to false',
    ),
    "appArmorProfile": (
        Level.BASELINE,
        37,
        a_pod_with(pod_context={"appArmorProfile": {"type": "Unconfined"}}, appArmorProfile={}),
        (
            'pod, container "function": set securityContext.appArmorProfile.type '
            f"{TO_DEFAULT_OR_LOCAL}, or leave the profile out"
        ),
    ),
    "appArmorProfile by annotation": (
        Level.BASELINE,
        37,
        a_pod({APP_ARMOR: "unconfined", APP_ARMOR + "2": "localhost/x", "other": "unconfined"}),
        f'set to runtime/default, or remove: annotation "{APP_ARMOR}"',
    ),
    "capabilities_baseline": (
        Level.BASELINE,
        37,
        a_pod_with(capabilities={"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}),
        'container "function": remove "NET_RAW", "SYS_ADMIN" from securityContext.capabilities.add',
    ),
    "capabilities_restricted": (
        Level.RESTRICTED,
        37,
        a_pod_with(capabilities={"drop": ["all"], "add": ["CHOWN", "NET_BIND_SERVICE"]}),
        (
            'container "function": set securityContext.capabilities.drop to ["ALL"]; '
            'container "function": remove "CHOWN" from securityContext.capabilities.add'
        ),
    ),
    "hostNamespaces": (
        Level.BASELINE,
        0,
        a_pod(hostNetwork=True, hostPID=True, hostIPC=True),
        "pod: set spec.hostNetwork, spec.hostPID, spec.hostIPC to false, or leave out",
    ),
    "hostPathVolumes": (
        Level.BASELINE,
        0,
        a_pod(volumes=[{"name": "docker", "hostPath": {"path": "/"}}, {"name": "b"}]),
        'volume "docker": use another source than hostPath',
    ),
    "hostPorts": (
        Level.BASELINE,
        0,
        a_pod(containers=[a_container(ports=[{"hostPort": 9090}, {"hostPort": 80}, {}])]),
        'container "function": remove ports[*].hostPort 80, 9090',
    ),
    "hostProbesAndHostLifecycle": (
        Level.BASELINE,
        34,
        a_pod(
            containers=[
                a_container(
                    livenessProbe={"httpGet": {"host": "10.0.0.1"}},
                    readinessProbe={"tcpSocket": {"host": ""}},
                    lifecycle={"preStop": {"tcpSocket": {"host": "metadata"}}},
                )
            ]
        ),
        (
            'container "function": remove lifecycle.preStop.tcpSocket.host, livenessProbe.httpGet.host '
            '(found "10.0.0.1", "metadata"): the Pod itself is the default'
        ),
    ),
    "privileged": (
        Level.BASELINE,
        0,
        a_pod_with(privileged=True),
        'container "function": set securityContext.privileged to false, or leave it out',
    ),
    "procMount": (
        Level.BASELINE,
        37,
        a_pod_with(procMount="Unmasked"),
        (
            'container "function": set securityContext.procMount to "Default", or leave it out '
            '(found "Unmasked")'
        ),
    ),
    "procMount_restricted": (
        Level.RESTRICTED,
        35,
        a_pod(hostUsers=False, containers=[a_container_with(procMount="")]),
        (
            'container "function": set securityContext.procMount to "Default", or leave it out '
            '(found "")'
        ),
    ),
    "restrictedVolumes": (
        Level.RESTRICTED,
        37,
        a_pod(
            volumes=[{"name": "a", "nfs": {}}, {"name": "b", "soon": {}}, {"name": "c", "csi": {}}]
        ),
        (
            'volume "a", volume "b": found nfs, no known source, use one of configMap, csi, '
            "downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected, secret"
        ),
    ),
    "runAsNonRoot": (
        Level.RESTRICTED,
        37,
        a_pod(
            containers=[
                a_container_with("a", runAsNonRoot=None),
                a_container_with("b", runAsNonRoot=False),
            ]
        ),
        (
            'container "b": set securityContext.runAsNonRoot to true (found false); '
            'container "a": set securityContext.runAsNonRoot to true there or on the pod'
        ),
    ),
    "runAsUser": (
        Level.RESTRICTED,
        23,
        a_pod_with(pod_context={"runAsUser": 0}, runAsUser=0),
        (
            'pod, container "function": set securityContext.runAsUser to another uid than 0, '
            "or leave it out"
        ),
    ),
    "seLinuxOptions": (
        Level.BASELINE,
        30,
        a_pod_with(
            pod_context={"seLinuxOptions": {"type": "container_engine_t"}},
            seLinuxOptions={"user": "u", "role": "r"},
        ),
        (
            'pod, container "function": leave out securityContext.seLinuxOptions.type '
            '(found "container_engine_t"), securityContext.seLinuxOptions.user, '
            "securityContext.seLinuxOptions.role"
        ),
    ),
    "seLinuxOptions role only": (
        Level.BASELINE,
        31,
        a_pod_with(
            pod_context={"seLinuxOptions": {"type": "container_engine_t"}},
            seLinuxOptions={"role": "r"},
        ),
        'container "function": leave out securityContext.seLinuxOptions.role',
    ),
    "seccompProfile_baseline": (
        Level.BASELINE,
        19,
        a_pod_with(pod_context={"seccompProfile": {"type": "Unconfined"}}, seccompProfile={}),
        (
            'pod, container "function": set securityContext.seccompProfile.type '
            f"{TO_DEFAULT_OR_LOCAL}, "
            "or leave the profile out"
        ),
    ),
    "seccompProfile_baseline by annotation": (
        Level.BASELINE,
        18,
        a_pod({SECCOMP: "unconfined", SECCOMP_OF + "function": "", SECCOMP_OF + "other": ""}),
        f'set to runtime/default, or remove: annotation "{SECCOMP_OF}function", "{SECCOMP}"',
    ),
    "seccompProfile_restricted": (
        Level.RESTRICTED,
        37,
        a_pod(
            containers=[
                a_container_with("a", seccompProfile=None),
                a_container_with("b", seccompProfile={"type": "Unconfined"}),
            ]
        ),
        (
            f'container "b": set securityContext.seccompProfile.type {TO_DEFAULT_OR_LOCAL}; '
            'container "a": set securityContext.seccompProfile.type '
            f"{TO_DEFAULT_OR_LOCAL} there or on the pod"
        ),
    ),
    "sysctls": (
        Level.BASELINE,
        31,
        a_pod(
            securityContext={
                "sysctls": [{"name": "net.ipv4.tcp_rmem"}, {"name": "kernel.msgmax"}, {}]
            }
        ),
        'pod: remove "", "kernel.msgmax", "net.ipv4.tcp_rmem" from securityContext.sysctls',
    ),
    "windowsHostProcess": (
        Level.BASELINE,
        0,
        a_pod_with(windowsOptions={"hostProcess": True}),
        (
            'container "function": set securityContext.windowsOptions.hostProcess to false, '
            "or leave it out"
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rule_names_who_has_to_set_which_field(name):
    level, minor, pod, detail = CASES[name]

    violations = evaluate_pod(pod, level, PolicyVersion(minor))

    assert [(one.rule, one.detail) for one in violations] == [(name.split()[0], detail)]


def test_windows_pods_need_not_set_what_windows_lacks():
    pod = a_pod_with(
        pod_context={"runAsNonRoot": True},
        allowPrivilegeEscalation=None, capabilities=None, seccompProfile=None,
    )  # fmt: skip
    pod["spec"]["os"] = {"name": "windows"}

    before = evaluate_pod(pod, Level.RESTRICTED, PolicyVersion(24))
    since = evaluate_pod(pod, Level.RESTRICTED, PolicyVersion(25))

    assert len(before) == 3
    assert since == ()


def test_pods_with_users_of_their_own_may_run_as_root_since_v1_35():
    pod = a_pod_with(runAsNonRoot=False, runAsUser=0)
    pod["spec"]["hostUsers"] = False

    before = evaluate_pod(pod, Level.RESTRICTED, PolicyVersion(34))
    since = evaluate_pod(pod, Level.RESTRICTED, LATEST)

    assert [one.rule for one in before] == ["runAsNonRoot", "runAsUser"]
    assert since == ()


def test_baseline_lets_pods_with_users_of_their_own_unmask_proc_since_v1_35():
    pod = a_pod_with(procMount="Unmasked")
    pod["spec"]["hostUsers"] = False

    assert evaluate_pod(pod, Level.BASELINE, PolicyVersion(34))
    assert evaluate_pod(pod, Level.BASELINE, PolicyVersion(35)) == ()


def test_pod_covers_containers_that_say_nothing():
    pod = a_pod_with(
        pod_context={"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}},
        runAsNonRoot=None, seccompProfile=None,
    )  # fmt: skip

    assert evaluate_pod(pod, Level.RESTRICTED, LATEST) == ()
