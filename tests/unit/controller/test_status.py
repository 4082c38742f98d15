"""Conditions from observations."""

from __future__ import annotations

import pytest

from casemate.api.conditions import ConditionStatus
from casemate.api.function import FunctionRevision
from casemate.controller.observation import Configured, Fault, Observed
from casemate.controller.status import conditions

NOW = "2026-11-24T10:00:00Z"
LATER = "2026-11-24T10:05:00Z"
GOOD = Configured(1, FunctionRevision(name="hello-1", source_digest="sha256:0"))


def by_type(configured=GOOD, observed=None, *, runtime="python313", previous=(), now=NOW):
    seen = observed or Observed(revision="hello-1", ready=1, phase="Ready")
    found = conditions(runtime, configured, seen, previous=previous, now=now)
    return {condition.type: condition for condition in found}


def test_a_function_scaled_to_zero_runs_because_a_request_starts_it():
    running = by_type(observed=Observed(revision="hello-1", phase="ScaledToZero"))["Running"]

    assert (running.status, running.reason) == (ConditionStatus.TRUE, "ScaledToZero")
    assert "hello-1" in running.message


def test_a_function_at_rest_says_which_revision_did_not_prove_itself():
    observed = Observed(revision="hello-0", phase="ScaledToZero", message="no handler")

    message = by_type(observed=observed)["Running"].message

    assert "hello-1 is not ready: no handler" in message


def test_a_function_turned_off_does_not_run():
    observed = Observed(revision="hello-1", phase="TurnedOff", reason="TurnedOff")

    running = by_type(observed=observed)["Running"]

    assert (running.status, running.reason) == (ConditionStatus.FALSE, "TurnedOff")


def test_fewer_instances_than_asked_for_are_said():
    running = by_type(observed=Observed(revision="hello-1", ready=1, wanted=2, phase="Ready"))[
        "Running"
    ]

    assert running.status == "True"
    assert running.message == "revision hello-1 serves, with 1 of 2 instances"


def test_a_ready_revision_is_configured_and_running():
    found = by_type()

    assert found["ConfigurationReady"].status is ConditionStatus.TRUE
    assert found["Running"].status is ConditionStatus.TRUE
    assert set(found) == {"ConfigurationReady", "Running"}


def test_a_bad_change_leaves_running_true_while_configuration_says_why():
    broken = Configured(2, fault=Fault("DependencyNotFound", "no such package"))

    found = by_type(broken)

    assert found["Running"].status is ConditionStatus.TRUE
    assert found["ConfigurationReady"].status is ConditionStatus.FALSE
    assert found["ConfigurationReady"].reason == "DependencyNotFound"


def test_a_revision_that_never_ran_is_not_running():
    broken = Configured(1, fault=Fault("DependencyNotFound", "no such package"))

    found = by_type(broken, Observed())

    assert found["Running"].status is ConditionStatus.FALSE


def test_a_crash_loop_is_false_with_the_last_reason():
    observed = Observed(phase="CrashLoopBackOff", reason="OOMKilled", message="restarts in 4 s")

    running = by_type(observed=observed)["Running"]

    assert (running.status, running.reason) == (ConditionStatus.FALSE, "OOMKilled")


@pytest.mark.parametrize("phase", ["Pending", "Starting"])
def test_a_start_in_progress_is_unknown(phase):
    assert by_type(observed=Observed(phase=phase))["Running"].status is ConditionStatus.UNKNOWN


def test_an_unchanged_status_keeps_its_transition_time():
    first = by_type().values()

    second = by_type(previous=first, now=LATER)

    assert second["Running"].last_transition_time == NOW


def test_a_changed_status_gets_a_new_transition_time():
    first = by_type().values()

    second = by_type(observed=Observed(phase="Failed"), previous=first, now=LATER)

    assert second["Running"].last_transition_time == LATER


def test_relaxed_fields_are_named():
    relaxed = Configured(1, GOOD.revision, relaxed_fields=("podSecurityContext.runAsUser",))

    found = by_type(relaxed)["SecurityRelaxed"]

    assert "podSecurityContext.runAsUser" in found.message


def test_a_gap_of_the_machine_is_a_condition():
    observed = Observed(revision="hello-1", ready=1, phase="Ready", gaps=("memory: by polling",))

    assert "memory: by polling" in by_type(observed=observed)["EnforcementDegraded"].message


def test_a_runtime_near_its_end_of_life_warns():
    assert "RuntimeOutdated" not in by_type(runtime="nodejs22", now="2026-10-01T00:00:00Z")
    assert (
        "ends on"
        in by_type(runtime="nodejs22", now="2027-01-01T00:00:00Z")["RuntimeOutdated"].message
    )
    assert (
        "ended on"
        in by_type(runtime="nodejs22", now="2028-01-01T00:00:00Z")["RuntimeOutdated"].message
    )
