import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from casemate.api.workload import Capabilities, PodSecurityContext, SecurityContext
from casemate.security.contexts import tighten
from casemate.security.defaults import HARDENED_CONTAINER, HARDENED_POD
from casemate.security.field_rules import CONTAINER_RULES, POD_RULES, only_default
from casemate.security.pss.evaluate import evaluate_pod
from casemate.security.pss.levels import LATEST, Level
from casemate.security.relaxations import RelaxationPolicy, settle_contexts

IDS = st.none() | st.sampled_from([-1, 0, 1, 1000, 2000, 2**31, 2**32])
FLAGS = st.none() | st.booleans()
NAMES = st.none() | st.lists(st.sampled_from(["ALL", "CHOWN", "NET_RAW"]), max_size=2).map(tuple)
CONTAINERS = st.builds(
    SecurityContext,
    allow_privilege_escalation=FLAGS,
    capabilities=st.none() | st.builds(Capabilities, add=NAMES, drop=NAMES),
    privileged=FLAGS,
    proc_mount=st.sampled_from([None, "Default", "Unmasked"]),
    read_only_root_filesystem=FLAGS,
    run_as_non_root=FLAGS,
    run_as_user=IDS,
)
PODS = st.builds(PodSecurityContext, fs_group=IDS, run_as_user=IDS, run_as_non_root=FLAGS)


@given(CONTAINERS, CONTAINERS)
def test_tighten_is_idempotent_and_never_loosens(default, asked):
    once = tighten(default, asked)

    assert tighten(once.value, asked).value == once.value
    assert tighten(default, once.value).loosened == ()


@given(PODS, CONTAINERS)
def test_whatever_is_asked_the_kept_contexts_pass_restricted(pod, container):
    settled = settle_contexts(pod, container, RelaxationPolicy(allow_every_relaxation=True))

    spec = {
        "securityContext": settled.pod.wire(),
        "containers": [{"name": "function", "securityContext": settled.container.wire()}],
    }
    assert evaluate_pod({"spec": spec}, Level.RESTRICTED, LATEST) == ()


@pytest.mark.parametrize(
    ("model", "rules"), [(SecurityContext, CONTAINER_RULES), (PodSecurityContext, POD_RULES)]
)
def test_every_field_has_a_rule(model: type[BaseModel], rules):
    assert set(rules) == set(model.model_fields)


def test_field_without_rule_keeps_the_default():
    assert only_default(None, "x").reason
    assert not only_default("x", "x").reason


def test_nothing_asked_keeps_the_defaults():
    assert tighten(HARDENED_POD, None).value == HARDENED_POD
    assert tighten(HARDENED_CONTAINER, SecurityContext()).value == HARDENED_CONTAINER
