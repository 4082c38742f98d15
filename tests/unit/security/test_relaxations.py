"""What a policy lets through, and that nothing half-loosened gets out."""

from __future__ import annotations

from casemate.api.function_policy import FunctionPolicySpec
from casemate.api.workload import PodSecurityContext, SeccompProfile, SecurityContext
from casemate.security.defaults import HARDENED_CONTAINER
from casemate.security.relaxations import (
    NEVER_ON_KUBERNETES,
    RelaxationPolicy,
    relaxation_policy,
    settle_contexts,
)

SECCOMP = "podSecurityContext.seccompProfile"
ROOT_FS = "containerSecurityContext.readOnlyRootFilesystem"
WRITABLE = SecurityContext(read_only_root_filesystem=False)
UNCONFINED = PodSecurityContext(seccomp_profile=SeccompProfile(type="Unconfined"))


def a_policy(*fields: str, namespace: str = "shop", functions=None) -> FunctionPolicySpec:
    relaxation = {"fields": list(fields), "reason": "a reason"}
    if functions is not None:
        relaxation["functions"] = functions
    return FunctionPolicySpec.model_validate(
        {"namespaces": {"names": [namespace]}, "relaxations": [relaxation]}
    )


def collected(*policies: FunctionPolicySpec, mode="deny", function="f", namespace="shop"):
    return relaxation_policy(
        mode, policies, function=function, namespace=namespace, namespace_labels={}
    )


def test_every_loosening_is_refused_at_once_with_its_field():
    asked = SecurityContext(read_only_root_filesystem=False, privileged=True)

    settled = settle_contexts(UNCONFINED, asked, RelaxationPolicy())

    assert not settled.verdict.allowed
    for part in (SECCOMP, ROOT_FS, "containerSecurityContext.privileged"):
        assert part in settled.verdict.reason


def test_one_refused_field_keeps_all_contexts_strict():
    policy = RelaxationPolicy(allowed_fields=frozenset({SECCOMP}))

    settled = settle_contexts(UNCONFINED, WRITABLE, policy)

    assert not settled.verdict.allowed
    assert settled.pod.seccomp_profile.type == "RuntimeDefault"


def test_a_named_field_is_let_through_and_reported():
    policy = RelaxationPolicy(allowed_fields=frozenset({SECCOMP}))

    settled = settle_contexts(UNCONFINED, None, policy)

    assert settled.verdict.allowed
    assert settled.pod.seccomp_profile.type == "Unconfined"
    assert settled.relaxations.relaxed_fields == (SECCOMP,)


def test_what_the_local_node_would_not_run_is_refused_in_warn_mode_too():
    settled = settle_contexts(None, WRITABLE, RelaxationPolicy(allow_every_relaxation=True))

    assert not settled.verdict.allowed
    assert settled.container == HARDENED_CONTAINER


def test_warn_mode_on_kubernetes_keeps_the_peers_behaviour():
    policy = RelaxationPolicy(allow_every_relaxation=True, never=NEVER_ON_KUBERNETES)

    settled = settle_contexts(None, WRITABLE, policy)

    assert settled.verdict.allowed
    assert settled.container.read_only_root_filesystem is False


def test_a_policy_speaks_about_its_namespaces_and_functions_only():
    assert collected(a_policy(SECCOMP)).allows(SECCOMP)
    assert not collected(a_policy(SECCOMP, namespace="other")).allows(SECCOMP)
    assert not collected(a_policy(SECCOMP, functions=["g"])).allows(SECCOMP)
    assert collected(a_policy(SECCOMP, functions=["f"])).allows(SECCOMP)


def test_without_a_policy_nothing_may_be_loosened():
    assert not collected().allows(SECCOMP)
    assert collected(mode="warn").allows(SECCOMP)
